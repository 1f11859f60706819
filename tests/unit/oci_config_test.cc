#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "base/file.h"
#include "base/json.h"
#include "oci/config.h"

namespace berth::oci {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A configuration in which everything that others build on is present.
Json valid_config() {
  return Json::parse(R"({
    "ociVersion": "1.0.2",
    "process": {"cwd": "/", "args": ["sh"], "env": ["A=1"], "user": {"uid": 0, "gid": 0}},
    "root": {"path": "rootfs"},
    "hostname": "box",
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                             {"type": "mount"}]}
  })");
}

Config parsed(const Json& json) {
  return Config::parse(json.dump(), "/bundle", "config.json");
}

/// The error for a valid configuration in which the value at `pointer` is replaced ("null" removes it).
std::string error_with(const char* pointer, const char* value) {
  auto json = valid_config();
  json[Json::json_pointer(pointer)] = Json::parse(value);
  try {
    parsed(json);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

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

struct BadInput {
  const char* pointer;
  const char* value;
  const char* complaint;
};

std::ostream& operator<<(std::ostream& out, const BadInput& input) {
  return out << input.pointer << " = " << input.value;
}

class BadConfigTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadConfigTest, IsOneErrorThatNamesFileAndKey) {
  EXPECT_THAT(error_with(GetParam().pointer, GetParam().value),
              AllOf(StartsWith("config.json: "), HasSubstr(GetParam().complaint)));
}

INSTANTIATE_TEST_SUITE_P(
    TopLevel, BadConfigTest,
    ::testing::Values(BadInput{"/ociVersion", "null", "missing ociVersion"},
                      BadInput{"/ociVersion", "\"2.0.0\"", "ociVersion: version 2.0.0 is not supported"},
                      BadInput{"/ociVersion", "\"one\"", "ociVersion: \"one\" is not a version"},
                      BadInput{"/ociVersion", "1", "ociVersion: expected a string, got 1"},
                      BadInput{"/root", "null", "missing root"},
                      BadInput{"/root/path", "\"\"", "root.path: must not be empty"},
                      BadInput{"/root/readonly", "\"yes\"", "root.readonly: expected true or false, got \"yes\""},
                      BadInput{"/mounts", "{}", "mounts: expected an array"},
                      BadInput{"/mounts/0", "7", "mounts[0]: expected an object, got 7"},
                      BadInput{"/mounts/0/destination", "null", "missing mounts[0].destination"},
                      BadInput{"/mounts/0/destination", "\"/\"", "mounts[0].destination: \"/\" cannot be mounted on"},
                      BadInput{"/mounts/0/options", "[1]", "mounts[0].options[0]: expected a string, got 1"},
                      BadInput{"/mounts/0", R"({"destination": "/x", "type": "bind"})", "missing mounts[0].source"},
                      BadInput{"/annotations", R"({"": "x"})", "annotations: a key is empty"},
                      BadInput{"/annotations", R"({"a": 1})", "annotations.a: expected a string, got 1"}));

INSTANTIATE_TEST_SUITE_P(
    Process, BadConfigTest,
    ::testing::Values(
        BadInput{"/process/cwd", "null", "missing process.cwd"},
        BadInput{"/process/cwd", "\"srv\"", "process.cwd: must be an absolute path, got \"srv\""},
        BadInput{"/process/args", "[]", "process.args: must not be empty"},
        BadInput{"/process/args", "\"sh\"", "process.args: expected an array, got \"sh\""},
        BadInput{"/process/args", R"(["a\u0000b"])", "process.args[0]: contains a NUL byte"},
        BadInput{"/process/env", R"(["A=1", "B"])", "process.env[1]: expected KEY=VALUE, got \"B\""},
        BadInput{"/process/env", R"(["=x"])", "process.env[0]: expected KEY=VALUE"},
        BadInput{"/process/user/uid", "-1", "process.user.uid: expected a whole number, not negative, got -1"},
        BadInput{"/process/user/gid", "4294967296", "process.user.gid: expected a number of at most 4294967294"},
        BadInput{"/process/user/umask", "512", "process.user.umask: expected a number of at most 511"},
        BadInput{"/process/user/additionalGids", "[1, \"x\"]", "process.user.additionalGids[1]: expected a group id"},
        BadInput{"/process/capabilities", R"({"bounding": ["CHOWN"]})",
                 "process.capabilities.bounding[0]: \"CHOWN\" is not a capability name"},
        BadInput{"/process/capabilities", R"({"ambient": ["CAP_X Y"]})", "process.capabilities.ambient[0]"},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1},
                                     {"type": "NOFILE", "soft": 1, "hard": 1}])",
                 "process.rlimits[1].type: unknown resource limit \"NOFILE\""},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_CPU", "soft": 1, "hard": 1},
                                     {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}])",
                 "process.rlimits[1].type: RLIMIT_CPU is set more than once"},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_CPU", "soft": 1}])", "missing process.rlimits[0].hard"},
        BadInput{"/process/rlimits", R"([{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}])",
                 "process.rlimits[0].soft: 2 is above the hard limit of 1"},
        BadInput{"/process/oomScoreAdj", "1001", "process.oomScoreAdj: expected a number from -1000 to 1000"}));

INSTANTIATE_TEST_SUITE_P(
    Settings, BadConfigTest,
    ::testing::Values(
        BadInput{"/process/scheduler", "{}", "missing process.scheduler.policy"},
        BadInput{"/process/scheduler", R"({"policy": "FIFO"})", "process.scheduler.policy: unknown policy \"FIFO\""},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_OTHER", "nice": 20})",
                 "process.scheduler.nice: expected a number from -20 to 19"},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_BATCH", "priority": 1})", "process.scheduler.priority"},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_FIFO", "deadline": 1})", "process.scheduler.deadline"},
        BadInput{"/process/scheduler", R"({"policy": "SCHED_RR", "flags": ["SCHED_FLAG_RECLAIM", "X"]})",
                 "process.scheduler.flags[1]: unknown scheduler flag \"X\""},
        BadInput{"/process/ioPriority", "{}", "missing process.ioPriority.class"},
        BadInput{"/process/ioPriority", R"({"class": "IDLE"})", "process.ioPriority.class: unknown class \"IDLE\""},
        BadInput{"/process/ioPriority", R"({"class": "IOPRIO_CLASS_RT", "priority": 8})",
                 "process.ioPriority.priority: expected a number from 0 to 7"},
        BadInput{"/process/execCPUAffinity", R"({"initial": "1-0"})",
                 "process.execCPUAffinity.initial: expected a list like \"0-3,7\""},
        BadInput{"/process/execCPUAffinity", R"({"final": "8192"})", "process.execCPUAffinity.final"},
        BadInput{"/process/execCPUAffinity", R"({"final": "0,x"})", "process.execCPUAffinity.final"},
        BadInput{"/process/execCPUAffinity", R"({"final": ","})", "process.execCPUAffinity.final: names no CPU"},
        BadInput{"/process/execCPUAffinity", R"({"final": 1})", "process.execCPUAffinity.final: expected a string"},
        BadInput{"/linux/personality", "{}", "missing linux.personality.domain"},
        BadInput{"/linux/personality", R"({"domain": "linux"})", "linux.personality.domain: unknown domain \"linux\""},
        BadInput{"/linux/memoryPolicy", "{}", "missing linux.memoryPolicy.mode"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "BIND"})", "linux.memoryPolicy.mode: unknown mode \"BIND\""},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_BIND"})",
                 "linux.memoryPolicy.nodes: MPOL_BIND needs at least one node"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_LOCAL", "nodes": "0"})",
                 "linux.memoryPolicy.nodes: MPOL_LOCAL takes no nodes"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_BIND", "nodes": "1024"})", "linux.memoryPolicy.nodes"},
        BadInput{"/linux/memoryPolicy", R"({"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]})",
                 "linux.memoryPolicy.flags[0]: unknown memory policy flag \"X\""},
        BadInput{"/linux/memoryPolicy",
                 R"({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]})",
                 "exclude each other"}));

INSTANTIATE_TEST_SUITE_P(Hooks, BadConfigTest,
                         ::testing::Values(BadInput{"/hooks", R"({"poststop": [{"args": ["x"]}]})",
                                                    "missing hooks.poststop[0].path"},
                                           BadInput{"/hooks", R"({"prestart": [{"path": "bin/x"}]})",
                                                    "hooks.prestart[0].path: must be an absolute path, got \"bin/x\""},
                                           BadInput{"/hooks", R"({"poststart": [{"path": "/x", "timeout": 0}]})",
                                                    "hooks.poststart[0].timeout"}));

INSTANTIATE_TEST_SUITE_P(
    Linux, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/namespaces/0/type", "\"net\"", "linux.namespaces[0].type: unknown namespace \"net\""},
        BadInput{"/linux/namespaces/1/type", "\"pid\"", "malformed spec file: duplicated ns"},
        BadInput{"/linux/namespaces/1/path", "\"ns/net\"", "linux.namespaces[1].path: must be an absolute path"},
        BadInput{"/linux/namespaces", R"([{"type": "mount"}])",
                 "hostname: unable to set hostname without a private UTS"},
        BadInput{"/linux/uidMappings", R"([{"containerID": 0, "hostID": 0, "size": 1}])",
                 "linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled"},
        BadInput{"/linux/namespaces/0/type", "\"user\"",
                 "linux.uidMappings: user namespaces enabled, but no uid mappings"},
        BadInput{"/linux/uidMappings", R"([{"containerID": 0, "hostID": 0}])", "missing linux.uidMappings[0].size"},
        BadInput{"/linux/timeOffsets", R"({"monotonic": {"secs": 1}})",
                 "linux.timeOffsets: time namespace offsets need"},
        BadInput{"/linux/timeOffsets", R"({"realtime": {"secs": 1}})", "linux.timeOffsets.realtime: unknown clock"},
        BadInput{"/linux/devices", R"([{"type": "x", "path": "/dev/x"}])",
                 "linux.devices[0].type: expected c, b, u or p"},
        BadInput{"/linux/devices", R"([{"type": "c", "path": "/dev/x", "major": 1}])",
                 "missing linux.devices[0].minor"},
        BadInput{"/linux/devices", R"([{"type": "p", "path": "dev/x"}])", "linux.devices[0].path: must be an absolute"},
        BadInput{"/mounts", R"([{"destination": "/m", "type": "tmpfs", "options": ["idmap"]}])",
                 "mounts[0]: only bind mounts can have their ids mapped"},
        BadInput{"/mounts", R"([{"destination": "/m", "source": "/s", "options": ["rbind", "ridmap"]}])",
                 "mounts[0].options: \"idmap\" and \"ridmap\" need uidMappings and gidMappings"},
        BadInput{"/mounts", R"([{"destination": "/m", "source": "/s", "type": "bind",
                                 "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}])",
                 "mounts[0].gidMappings: is needed beside the other mappings"},
        BadInput{"/mounts", R"([{"destination": "/m", "gidMappings": [{"containerID": 0, "hostID": 1}]}])",
                 "missing mounts[0].gidMappings[0].size"},
        BadInput{"/linux/rootfsPropagation", "\"public\"", "linux.rootfsPropagation: unknown propagation \"public\""},
        BadInput{"/linux/maskedPaths", R"(["proc/keys"])", "linux.maskedPaths[0]: must be an absolute path"},
        BadInput{"/linux/sysctl", R"({"kernel.foo": "1"})",
                 "sysctl \"kernel.foo\" is not in a separate kernel namespace"},
        BadInput{"/linux/sysctl", R"({"kernel.hostname": "x"})", "conflicts with the OCI \"hostname\" field"},
        BadInput{"/linux/sysctl", R"({"user.max_user_namespaces": "1"})", "is not in a separate kernel namespace"},
        BadInput{"/linux/sysctl", R"({"net/../kernel/panic": "1"})", "is not the name of a sysctl"},
        BadInput{"/linux/sysctl", R"({"net.//.kernel.panic": "1"})", "is not the name of a sysctl"}));

INSTANTIATE_TEST_SUITE_P(
    Resources, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/resources", R"({"devices": [{"type": "c"}]})", "missing linux.resources.devices[0].allow"},
        BadInput{"/linux/resources", R"({"devices": [{"allow": true, "access": "rx"}]})",
                 "linux.resources.devices[0].access: expected letters of \"rwm\", got \"rx\""},
        BadInput{"/linux/resources", R"({"devices": [{"allow": true, "type": "u"}]})",
                 "linux.resources.devices[0].type"},
        BadInput{"/linux/resources", R"({"memory": {"limit": 1.5}})", "linux.resources.memory.limit: expected a whole"},
        BadInput{"/linux/resources", R"({"memory": {"limit": -2}})", "linux.resources.memory.limit"},
        BadInput{"/linux/resources", R"({"memory": {"swappiness": 101}})", "linux.resources.memory.swappiness"},
        BadInput{"/linux/resources", R"({"cpu": {"shares": -1}})", "linux.resources.cpu.shares"},
        BadInput{"/linux/resources", R"({"cpu": {"idle": 2}})", "linux.resources.cpu.idle"},
        BadInput{"/linux/resources", R"({"pids": {"limit": "5"}})",
                 "linux.resources.pids.limit: expected a whole number"},
        BadInput{"/linux/resources", R"({"hugepageLimits": [{"pageSize": "2M", "limit": 1}]})",
                 "linux.resources.hugepageLimits[0].pageSize: expected a size like \"2MB\", got \"2M\""},
        BadInput{"/linux/resources", R"({"unified": {"../x": "1"}})",
                 "unified resource \"../x\" must be a file name"}));

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

INSTANTIATE_TEST_SUITE_P(
    IntelRdt, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/intelRdt", R"({"closID": ".."})", "linux.intelRdt.closID: invalid intelRdt.ClosID \"..\""},
        BadInput{"/linux/intelRdt", R"({"closID": "a/b"})", "linux.intelRdt.closID: invalid intelRdt.ClosID \"a/b\""},
        BadInput{"/linux/intelRdt", R"({"schemata": "L3:0=f"})", "linux.intelRdt.schemata: expected an array"},
        BadInput{"/linux/intelRdt", R"({"enableMonitoring": 1})", "linux.intelRdt.enableMonitoring"}));

INSTANTIATE_TEST_SUITE_P(
    NetDevices, BadConfigTest,
    ::testing::Values(
        BadInput{"/linux/netDevices", R"({"a/b": {}})", "linux.netDevices: invalid network device name \"a/b\""},
        BadInput{"/linux/netDevices", R"({"": {}})", "linux.netDevices: invalid network device name \"\""},
        BadInput{"/linux/netDevices", R"({"eth1": {"name": "sixteen-letters-"}})",
                 "linux.netDevices.eth1.name: invalid network device name \"sixteen-letters-\""},
        BadInput{"/linux/netDevices", R"({"eth1": {"name": "x"}, "eth2": {"name": "x"}})",
                 "linux.netDevices.eth2: \"x\" is taken"},
        BadInput{"/linux/netDevices", R"({"eth1": "x"})", "linux.netDevices.eth1: expected an object"}));

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
