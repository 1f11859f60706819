#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "support/config.h"

namespace berth::oci {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ConfigTest, WhatRuncWritesIsRead) {
  const auto config = Config::parse(default_spec(false), "/bundle", "config.json");
  EXPECT_EQ(config.root->path, "/bundle/rootfs");
  EXPECT_TRUE(config.root->readonly);
  EXPECT_THAT(config.process->args, ElementsAre("sh"));
  EXPECT_TRUE(config.process->terminal);
  EXPECT_TRUE(config.process->no_new_privileges);
  EXPECT_THAT(config.process->capabilities->bounding,
              ElementsAre("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"));
  EXPECT_TRUE(config.process->capabilities->inheritable.empty());
  EXPECT_EQ(config.mounts.size(), 7u);
  EXPECT_EQ(config.linux_.namespaces.size(), 5u);
  ASSERT_EQ(config.linux_.resources.devices.size(), 1u);
  EXPECT_EQ(config.linux_.resources.devices[0].type, 'a');
  EXPECT_EQ(config.linux_.resources.devices[0].major, -1);
}

TEST(ConfigTest, TheRootlessDefaultIsRead) {
  const auto config = Config::parse(default_spec(true), "/bundle", "config.json");
  EXPECT_NE(config.linux_.find(NamespaceType::kUser), nullptr);
  EXPECT_EQ(config.linux_.find(NamespaceType::kNetwork), nullptr);
  EXPECT_EQ(config.linux_.uid_mappings.size(), 1u);
}

TEST(ConfigTest, EveryPartOfAProcessIsRead) {
  auto json = valid_config();
  json["process"] = Json::parse(R"({
    "terminal": true, "consoleSize": {"height": 24, "width": 80}, "cwd": "/srv", "args": ["a", "b c"],
    "env": ["PATH=/bin", "EMPTY="], "noNewPrivileges": true, "oomScoreAdj": -17,
    "user": {"uid": 1000, "gid": 4294967294, "umask": 18, "additionalGids": [5, 6]},
    "capabilities": {"bounding": ["cap_chown"], "ambient": ["CAP_FROM_THE_FUTURE"]},
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 18446744073709551615}]})");
  const auto process = *parsed(json).process;
  EXPECT_EQ(process.console_height, 24u);
  EXPECT_EQ(process.console_width, 80u);
  EXPECT_EQ(process.user.gid, 4294967294u);
  EXPECT_EQ(process.user.umask, 022u);
  EXPECT_THAT(process.user.additional_gids, ElementsAre(5u, 6u));
  EXPECT_THAT(process.env, ElementsAre("PATH=/bin", "EMPTY="));
  EXPECT_EQ(process.oom_score_adj, -17);
  // Names are put in upper case; unknown ones are for the kernel's side to warn about.
  EXPECT_THAT(process.capabilities->bounding, ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(process.capabilities->ambient, ElementsAre("CAP_FROM_THE_FUTURE"));
  EXPECT_EQ(process.rlimits[0].hard, 18446744073709551615u);
}

TEST(ConfigTest, ResourcesAreReadUpToTheirLargestValues) {
  auto json = valid_config();
  json["linux"]["resources"] = Json::parse(R"({
    "devices": [{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
    "memory": {"limit": 9223372036854775807, "swap": -1, "reservation": 5, "swappiness": 0, "kernel": 0},
    "cpu": {"shares": 18446744073709551615, "quota": -1, "period": 100000, "cpus": "0-1", "mems": "0", "idle": 1},
    "pids": {"limit": -1},
    "blockIO": {"weight": 100, "weightDevice": [{"major": 8, "minor": 0, "weight": 200}],
                "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
    "network": {}, "rdma": {},
    "unified": {"memory.high": "max"}})");
  const auto resources = parsed(json).linux_.resources;
  EXPECT_EQ(resources.devices[0].minor, 229);
  EXPECT_EQ(resources.memory->limit, 9223372036854775807);
  EXPECT_EQ(resources.memory->swap, -1);
  EXPECT_EQ(resources.memory->swappiness, 0u);
  EXPECT_EQ(resources.cpu->shares, 18446744073709551615u);
  EXPECT_EQ(resources.cpu->idle, 1);
  EXPECT_EQ(resources.pids_limit, -1);
  EXPECT_EQ(resources.block_io->weight_device[0].value, 200u);
  EXPECT_EQ(resources.block_io->read_bps[0].value, 600u);
  EXPECT_EQ(resources.hugepage_limits[0].page_size, "2MB");
  EXPECT_EQ(resources.unified.at("memory.high"), "max");
}

TEST(ConfigTest, HooksKeepTheDifferenceBetweenNoEnvironmentAndAnEmptyOne) {
  auto json = valid_config();
  json["hooks"] = Json::parse(R"({"createRuntime": [{"path": "/a", "args": ["a", "x"], "timeout": 3}],
                                  "poststop": [{"path": "/b", "env": []}]})");
  const auto hooks = parsed(json).hooks;
  EXPECT_EQ(hooks.create_runtime[0].timeout, 3);
  EXPECT_FALSE(hooks.create_runtime[0].env.has_value());
  EXPECT_TRUE(hooks.poststop[0].env.has_value());
  EXPECT_TRUE(hooks.prestart.empty());
}

TEST(ConfigTest, PathsBecomeAbsoluteAndClean) {
  auto json = valid_config();
  json["root"]["path"] = "./x/../rootfs/";
  json["mounts"] = Json::parse(R"([
    {"destination": "data//x/", "type": "bind", "source": "vol", "options": ["ro"]},
    {"destination": "/etc/hosts", "source": "/host/etc/../hosts", "options": ["rbind"]},
    {"destination": "/proc", "type": "proc", "source": "proc"}])");
  const auto config = parsed(json);
  EXPECT_EQ(config.root->path, "/bundle/rootfs");
  EXPECT_EQ(config.mounts[0].destination, "/data/x");
  EXPECT_EQ(config.mounts[0].source, "/bundle/vol");
  EXPECT_EQ(config.mounts[1].source, "/host/hosts");
  EXPECT_EQ(config.mounts[2].source, "proc");
}

TEST(ConfigTest, UnknownPropertiesAndForeignPlatformsAreIgnored) {
  auto json = valid_config();
  json["somethingNew"] = Json::object();
  json["windows"] = Json{{"layerFolders", Json::array()}};
  json["process"]["commandLine"] = "dir";
  EXPECT_NO_THROW(parsed(json));
}

TEST(ConfigTest, VersionsOfTheFirstMajorNumberAreAccepted) {
  for (const char* version : {"1.0.0", "1.0.2-dev", "1.2.1+dev", "1.3.0", "1.9.7"}) {
    auto json = valid_config();
    json["ociVersion"] = version;
    EXPECT_NO_THROW(parsed(json)) << version;
  }
}

TEST(ConfigTest, ANetworkSysctlMayHoldAnInterfaceNameWithADot) {
  auto json = valid_config();
  json["linux"]["sysctl"] =
      Json::parse(R"({"net/ipv4/conf/eth0.100/forwarding": "1", "net.core.somaxconn": "9", "kernel.shmmax": "1",
                      "fs.mqueue.msg_max": "3", "kernel.domainname": "d"})");
  EXPECT_NO_THROW(parsed(json));
  EXPECT_EQ(sysctl_path("net/ipv4/conf/eth0.100/forwarding"), "net/ipv4/conf/eth0.100/forwarding");
  EXPECT_EQ(sysctl_path("net.ipv4.conf.eth0/100.forwarding"), "net/ipv4/conf/eth0.100/forwarding");
  EXPECT_EQ(sysctl_path("kernel.shmmax"), "kernel/shmmax");
}

TEST(ConfigTest, ANetworkNamespaceJoinedByPathIsTheHostsIfItIsOurs) {
  auto json = valid_config();
  json["linux"]["namespaces"][1]["path"] = "/proc/self/ns/net";
  json["linux"]["sysctl"]["net.core.somaxconn"] = "1";
  EXPECT_THROW(parsed(json), std::runtime_error);
}

TEST(ConfigTest, AMissingFileIsNamed) {
  try {
    Config::load("/nonexistent-bundle");
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("config.json"), HasSubstr("/nonexistent-bundle"),
                                    HasSubstr("no such file or directory")));
  }
}

TEST(ConfigTest, NamespacesHaveTheirNamesAndFlags) {
  EXPECT_EQ(namespace_type("network"), NamespaceType::kNetwork);
  EXPECT_STREQ(proc_name(NamespaceType::kMount), "mnt");
  EXPECT_EQ(clone_flag(NamespaceType::kUser), 0x10000000);
  EXPECT_EQ(clone_flag(NamespaceType::kTime), 0x80);
  EXPECT_THROW(namespace_type("net"), std::runtime_error);
}

TEST(ConfigTest, AProcessAloneIsCheckedTheSameWay) {
  EXPECT_EQ(parse_process(R"({"cwd": "/", "args": ["x"]})", "p.json").args[0], "x");
  for (const char* text : {"{", "[]", R"({"cwd": "/"})", R"({"cwd": "/", "args": ["x"], "apparmorProfile": 1})"}) {
    try {
      parse_process(text, "p.json");
      ADD_FAILURE() << text;
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), StartsWith("p.json: "));
    }
  }
}

TEST(ConfigTest, ListsOfCpusAndNodesBecomeMasks) {
  auto json = valid_config();
  json["process"]["execCPUAffinity"] = {{"initial", "0-2, 64,70-71"}, {"final", ""}};
  json["linux"]["memoryPolicy"] = {{"mode", "MPOL_PREFERRED"}, {"nodes", "1"}, {"flags", {"MPOL_F_NUMA_BALANCING"}}};
  const auto config = parsed(json);
  EXPECT_EQ((BitMask{7, 1 | 1 << 6 | 1 << 7}), config.process->exec_cpu_affinity.initial);
  EXPECT_FALSE(config.process->exec_cpu_affinity.final);
  EXPECT_EQ((BitMask{2}), config.linux_.memory_policy->nodes);
  EXPECT_EQ(1U << 13, config.linux_.memory_policy->flags);
}

TEST(ConfigTest, NetDevicesNeedANetworkNamespace) {
  auto json = valid_config();
  json["linux"]["netDevices"] = {{"eth1", {{"name", "eth0"}}}, {"eth2", Json::object()}};
  EXPECT_EQ(parsed(json).linux_.net_devices, (std::map<std::string, std::string>{{"eth1", "eth0"}, {"eth2", "eth2"}}));
  auto& namespaces = json["linux"]["namespaces"];
  for (auto it = namespaces.begin(); it != namespaces.end(); ++it) {
    if ((*it)["type"] != "network") continue;
    namespaces.erase(it);
    break;
  }
  try {
    parsed(json);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("linux.netDevices: unable to move network devices without a private NET"));
  }
}

TEST(ConfigTest, MalformedJsonIsReportedWithItsPlace) {
  try {
    Config::parse("{\"ociVersion\": }", "/bundle", "config.json");
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), AllOf(StartsWith("config.json: "), HasSubstr("line 1, column 16")));
  }
}

TEST(ConfigTest, MaskedPathsNeedAMountNamespace) {
  auto json = valid_config();
  json["linux"] = Json::parse(R"({"namespaces": [{"type": "uts"}], "maskedPaths": ["/proc/keys"]})");
  try {
    parsed(json);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("linux.maskedPaths: unable to restrict sys entries without a private MNT"));
  }
}

TEST(ConfigTest, IdsOfTheProcessMustBeMapped) {
  auto json = valid_config();
  json["linux"]["namespaces"].push_back(Json{{"type", "user"}});
  const auto map = Json::parse(R"([{"containerID": 0, "hostID": 100000, "size": 10}])");
  json["linux"]["uidMappings"] = map;
  json["linux"]["gidMappings"] = map;
  json["process"]["user"]["uid"] = 9;
  EXPECT_NO_THROW(parsed(json));
  json["process"]["user"]["uid"] = 10;
  try {
    parsed(json);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("process.user.uid: 10 is unmapped"));
  }
}

}  // namespace
}  // namespace berth::oci
