// Devices of the host that become a container's (linux.netDevices).

#include <gmock/gmock.h>

#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class NetDevicesTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    must_run({"ip", "link", "add", "dev0", "type", "veth", "peer", "name", "peer0"});
    must_run({"ip", "link", "set", "dev0", "mtu", "1400", "alias", "mine"});
    must_run({"ip", "address", "add", "192.0.2.7/24", "dev", "dev0"});
    must_run({"ip", "address", "add", "2001:db8::7/64", "dev", "dev0", "nodad"});
    must_run({"ip", "address", "add", "198.51.100.7/24", "dev", "dev0", "scope", "link"});
    must_run({"ip", "address", "add", "203.0.113.7/24", "dev", "dev0", "valid_lft", "1000", "preferred_lft", "1000"});
    must_run({"ip", "link", "set", "dev0", "up"});
    must_run({"ip", "route", "add", "10.9.0.0/16", "dev", "dev0"});
  }
  void TearDown() override {
    berth({"delete", "--force", "c"});
    ContainerSandbox::TearDown();
  }

  static Edit devices(const Json& value) {
    return [value](Json& spec) { spec["linux"]["netDevices"] = value; };
  }
  static Edit joining(const std::string& path, const Json& value) {
    return [path, value](Json& spec) {
      for (auto& entry : spec["linux"]["namespaces"]) {
        if (entry["type"] == "network") entry["path"] = path;
      }
      spec["linux"]["netDevices"] = value;
    };
  }

  void expect_failure(const Edit& edit, const std::string& text) {
    const std::string path = bundle({"true"}, edit, "failing");
    const std::string before = host_state();
    const auto result = berth({"create", "--bundle", path, "failing"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(text));
    EXPECT_EQ(before, host_state());
  }
};

TEST_F(NetDevicesTest, ADeviceIsMovedRenamedAndUpWithItsPermanentGlobalAddresses) {
  const std::string shown = must_berth(
      {"run", "--bundle", shell_bundle("ip address; ip route", devices({{"dev0", {{"name", "eth0"}}}})), "c"});
  EXPECT_THAT(shown, AllOf(HasSubstr(": eth0@"), HasSubstr(",UP"), HasSubstr("mtu 1400"), Not(HasSubstr("dev0"))));
  EXPECT_THAT(shown, AllOf(HasSubstr("inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0"),
                           HasSubstr("inet6 2001:db8::7/64 scope global"), Not(HasSubstr("198.51.100.7")),
                           Not(HasSubstr("203.0.113.7")), Not(HasSubstr("10.9.0.0"))));
  EXPECT_FALSE(run({"ip", "link", "show", "dev0"}).ok());
}

TEST_F(NetDevicesTest, WithoutANameItKeepsItsOwnAndItsAlias) {
  run_sleeper("c", devices({{"dev0", Json::object()}}));
  EXPECT_THAT(must_run({"nsenter", "-t", std::to_string(pid_of("c")), "-n", "ip", "link"}),
              AllOf(HasSubstr(": dev0@"), HasSubstr("alias mine")));
}

TEST_F(NetDevicesTest, HooksAndSysctlsFindItThere) {
  const auto edit = [&](Json& spec) {
    devices({{"dev0", {{"name", "eth0"}}}})(spec);
    spec["linux"]["sysctl"] = {{"net.ipv4.conf.eth0.forwarding", "1"}};
    const std::string script =
        "nsenter -n -t $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/') ip -o link > " + scratch() + "/links";
    spec["hooks"]["createRuntime"] = Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", script}}}});
  };
  EXPECT_EQ("1\n",
            must_berth({"run", "--bundle", shell_bundle("cat /proc/sys/net/ipv4/conf/eth0/forwarding", edit), "c"}));
  EXPECT_THAT(must_run({"cat", scratch() + "/links"}), HasSubstr(": eth0@"));
}

TEST_F(NetDevicesTest, APatternBecomesTheFirstFreeName) {
  const NamedNetNs joined("joined");
  must_run({"ip", "-n", "joined", "link", "add", "eth0", "type", "bridge"});
  run_sleeper("c", joining(joined.path(), {{"dev0", {{"name", "eth%d"}}}, {"peer0", {{"name", "eth%d"}}}}));
  EXPECT_THAT(must_run({"ip", "-n", "joined", "link"}), AllOf(HasSubstr(": eth1@"), HasSubstr(": eth2@")));
}

TEST_F(NetDevicesTest, ATakenNameIsAnErrorAndTheDeviceComesBackAsItWas) {
  const NamedNetNs joined("joined");
  must_run({"ip", "-n", "joined", "link", "add", "eth0", "type", "bridge"});
  expect_failure(joining(joined.path(), {{"dev0", {{"name", "eth0"}}}}), "file exists");
  // The first of two is in the container when the second fails.
  expect_failure(joining(joined.path(), {{"dev0", {{"name", "net0"}}}, {"peer0", {{"name", "eth0"}}}}), "file exists");
}

TEST_F(NetDevicesTest, AfterAFailedHookTheDeviceComesBackAsItWas) {
  expect_failure(
      [](Json& spec) {
        devices({{"dev0", {{"name", "eth0"}}}})(spec);
        spec["hooks"]["createRuntime"] = Json::array({{{"path", "/bin/false"}}});
      },
      "createRuntime hook #0");
}

TEST_F(NetDevicesTest, ItEndsWithTheContainer) {
  run_sleeper("c", devices({{"dev0", {{"name", "eth0"}}}}));
  must_berth({"delete", "--force", "c"});
  EXPECT_TRUE(eventually([] { return !run({"ip", "link", "show", "peer0"}).ok(); }));
  EXPECT_FALSE(run({"ip", "link", "show", "dev0"}).ok());
}

TEST_F(NetDevicesTest, MistakesAreNamedBeforeAnythingIsMade) {
  expect_failure(devices({{"nope", Json::object()}}), "linux.netDevices: find link nope: no such device");
  expect_failure(devices({{"dev0", {{"name", "a/b"}}}}), "linux.netDevices.dev0.name: invalid network device name");
  expect_failure(
      [](Json& spec) {
        Json kept = Json::array();
        for (const auto& entry : spec["linux"]["namespaces"]) {
          if (entry["type"] != "network") kept.push_back(entry);
        }
        spec["linux"]["namespaces"] = kept;
        spec["linux"]["netDevices"] = {{"dev0", Json::object()}};
      },
      "unable to move network devices without a private NET namespace");
}

TEST_F(NetDevicesTest, AUserNamespaceMakesNoDifference) {
  const auto path = shell_bundle("ip address", [](Json& spec) {
    devices({{"dev0", {{"name", "eth0"}}}})(spec);
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    spec["linux"]["uidMappings"] = Json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
    spec["linux"]["gidMappings"] = spec["linux"]["uidMappings"];
  });
  EXPECT_THAT(must_berth({"run", "--bundle", path, "c"}), HasSubstr("192.0.2.7/24"));
}

}  // namespace
}  // namespace berth::test
