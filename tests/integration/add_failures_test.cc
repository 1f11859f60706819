// ADD that fails, at each step of bridge + host-local + portmap, and input that is wrong from the start: one clear
// error with the specification's code, and a host as it was.

#include <gmock/gmock.h>

#include "base/json.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const char* const kWebPort = R"({"portMappings": [{"hostPort": 9090, "containerPort": 80, "protocol": "tcp"}]})";

class AddFailuresTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    list_ = Json::parse(web_conflist("web", "fail0", "10.14.0.0/24", "/var/lib/cni/networks"));
    host_ = {built_directory(), scratch() + "/net.d", "/var/lib/cni", ""};
    netns_ = std::make_unique<NamedNetNs>("box");
  }

  Json& bridge() { return list_["plugins"][0]; }
  Json& ipam() { return list_["plugins"][0]["ipam"]; }
  Json& portmap() { return list_["plugins"][1]; }

  base::CommandResult add(const std::map<std::string, std::string>& env = {{"CAP_ARGS", kWebPort}},
                          const std::string& netns = "/run/netns/box") {
    write("net.d/10-web.conflist", list_.dump());
    return host_.cnitool("add", "web", netns, env);
  }

  /// The bridge and its gateway address belong to the network and stay after DEL; for failures behind it in the chain.
  void make_the_network() {
    NamedNetNs first("first");
    ASSERT_TRUE(add({}, first.path()).ok());
    ASSERT_TRUE(host_.cnitool("del", "web", first.path()).ok());
  }

  std::string everything() { return host_state() + must_run({"ip", "-n", "box", "-br", "address"}); }

  /// Runs ADD; it must fail with a message that contains all of `parts`, and change nothing.
  template <class... Matchers>
  void expect_failure(const base::CommandResult& result, const std::string& before, Matchers... parts) {
    EXPECT_FALSE(result.ok()) << result.output;
    EXPECT_THAT(result.error, AllOf(parts...));
    EXPECT_EQ(before, everything());
  }

  /// Calls one plugin directly with CNI_COMMAND=ADD and returns its error object.
  Json plugin_error(const std::string& plugin, const std::string& config, std::map<std::string, std::string> env = {}) {
    env.try_emplace("CNI_COMMAND", "ADD");
    env.try_emplace("CNI_CONTAINERID", "box");
    env.try_emplace("CNI_NETNS", "/run/netns/box");
    env.try_emplace("CNI_IFNAME", "eth0");
    const std::string before = everything();
    const auto result = run_plugin(built(plugin), env, config);
    EXPECT_EQ(1, result.exit_status.value_or(-1)) << result.output << result.error;
    EXPECT_EQ(before, everything());
    return Json::parse(result.output);
  }

  std::string bridge_config() {
    Json config = bridge();
    config["cniVersion"] = "1.0.0";
    config["name"] = "web";
    return config.dump();
  }

  Json list_;
  CniHost host_;
  std::unique_ptr<NamedNetNs> netns_;
};

TEST_F(AddFailuresTest, APortThatAnotherContainerHas) {
  NamedNetNs other("other");
  ASSERT_TRUE(add(std::map<std::string, std::string>{{"CAP_ARGS", kWebPort}}, other.path()).ok());
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("9090"), HasSubstr("tcp"), HasSubstr("cnitool-"));
}

TEST_F(AddFailuresTest, AnExhaustedSubnet) {
  ipam()["ranges"] =
      Json::parse(R"([[{"subnet": "10.14.0.0/24", "rangeStart": "10.14.0.2", "rangeEnd": "10.14.0.2"}]])");
  NamedNetNs other("other");
  ASSERT_TRUE(add({}, other.path()).ok());
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("no IP addresses available in range set: 10.14.0.2-10.14.0.2"));
}

TEST_F(AddFailuresTest, AnMtuTheKernelRefuses) {
  bridge()["mtu"] = 20;
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("20"), HasSubstr("mtu"));
}

TEST_F(AddFailuresTest, AnInterfaceNameThatIsTaken) {
  must_run({"ip", "-n", "box", "link", "add", "eth0", "type", "bridge"});
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("eth0"), HasSubstr("exist"));
}

TEST_F(AddFailuresTest, ABridgeNameThatIsNoBridge) {
  must_run({"ip", "link", "add", "fail0", "type", "veth", "peer", "name", "peer0"});
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("\"fail0\" already exists but is not a bridge"));
}

TEST_F(AddFailuresTest, AGatewayAddressThatConflicts) {
  must_run({"ip", "link", "add", "fail0", "type", "bridge"});
  must_run({"ip", "address", "add", "10.99.0.1/16", "dev", "fail0"});
  must_run({"ip", "link", "set", "fail0", "up"});
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("already has an IP address different from 10.14.0.1/24"));
}

TEST_F(AddFailuresTest, AMissingNamespace) {
  const std::string before = everything();
  expect_failure(add({}, "/run/netns/gone"), before, HasSubstr("/run/netns/gone"),
                 HasSubstr("no such file or directory"));
}

TEST_F(AddFailuresTest, AFileThatIsNoNamespace) {
  write("file", "");
  const std::string before = everything();
  expect_failure(add({}, scratch() + "/file"), before, HasSubstr(scratch() + "/file"));
}

TEST_F(AddFailuresTest, AnUnreadableConfiguration) {
  write("net.d/10-web.conflist", R"({"name": "web", )");
  const std::string before = everything();
  expect_failure(host_.cnitool("add", "web", "/run/netns/box"), before, HasSubstr("10-web.conflist"));
}

TEST_F(AddFailuresTest, ALeaseDirectoryThatCannotBeMade) {
  ipam()["dataDir"] = "/proc/nonexistent";
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("/proc/nonexistent"));
}

TEST_F(AddFailuresTest, ResolvConfThatIsMissing) {
  ipam()["resolvConf"] = "/nonexistent/resolv.conf";
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("/nonexistent/resolv.conf"));
}

TEST_F(AddFailuresTest, ANetworkThatIsNotThere) {
  write("net.d/10-web.conflist", list_.dump());
  const std::string before = everything();
  expect_failure(host_.cnitool("add", "nope", "/run/netns/box"), before,
                 HasSubstr("no net configuration with name \"nope\""));
}

TEST_F(AddFailuresTest, AnUnknownPlugin) {
  bridge()["type"] = "brigde";
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("failed to find plugin \"brigde\" in path ["), Not(HasSubstr("undo")));
}

TEST_F(AddFailuresTest, AnUnknownIpamPlugin) {
  ipam()["type"] = "hostlocal";
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("failed to find plugin \"hostlocal\" in path ["));
}

TEST_F(AddFailuresTest, AnUnsupportedVersion) {
  list_["cniVersion"] = "9.9.9";
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("9.9.9"));
  const Json error = plugin_error("bridge", R"({"cniVersion": "9.9.9", "name": "web", "type": "bridge"})");
  EXPECT_EQ(1, error["code"]);
  EXPECT_EQ("incompatible CNI versions", error["msg"]);
}

TEST_F(AddFailuresTest, MalformedJsonOnStdin) {
  const Json error = plugin_error("bridge", R"({"cniVersion": "1.0.0", )");
  EXPECT_EQ(6, error["code"]);
  EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("error unmarshall network config"));
}

TEST_F(AddFailuresTest, AMissingNetworkName) {
  const Json error = plugin_error("bridge", R"({"cniVersion": "1.0.0", "type": "bridge"})");
  EXPECT_EQ(7, error["code"]);
  EXPECT_EQ("missing network name", error["msg"]);
}

TEST_F(AddFailuresTest, AnInvalidContainerId) {
  const Json error = plugin_error("bridge", bridge_config(), {{"CNI_CONTAINERID", "-box/"}});
  EXPECT_EQ(4, error["code"]);
  EXPECT_EQ("invalid characters in containerID", error["msg"]);
  EXPECT_THAT(error["details"].get<std::string>(), HasSubstr("-box/"));
}

TEST_F(AddFailuresTest, InvalidInterfaceNames) {
  for (const char* name : {"an-interface-name-too-long", "..", "a/b", "a:b", "a b"}) {
    const Json error = plugin_error("bridge", bridge_config(), {{"CNI_IFNAME", name}});
    EXPECT_EQ(4, error["code"]) << name;
    EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("interface name")) << name;
  }
}

TEST_F(AddFailuresTest, AValueOfTheWrongType) {
  bridge()["mtu"] = "1500";
  const Json error = plugin_error("bridge", bridge_config());
  EXPECT_EQ(7, error["code"]);
  EXPECT_THAT(error["msg"].get<std::string>(), AllOf(HasSubstr("mtu"), HasSubstr("\"1500\"")));
}

TEST_F(AddFailuresTest, RangesThatOverlap) {
  ipam()["ranges"] = Json::parse(R"([[{"subnet": "10.14.0.0/24"}], [{"subnet": "10.14.0.0/16"}]])");
  const Json error = plugin_error("bridge", bridge_config());
  EXPECT_EQ(7, error["code"]);
  EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("overlap"));
}

TEST_F(AddFailuresTest, ASubnetThatIsTooSmall) {
  ipam()["ranges"] = Json::parse(R"([[{"subnet": "10.14.0.0/31"}]])");
  const Json error = plugin_error("bridge", bridge_config());
  EXPECT_EQ(7, error["code"]);
  EXPECT_THAT(error["msg"].get<std::string>(), HasSubstr("10.14.0.0/31 too small to allocate from"));
}

TEST_F(AddFailuresTest, PortsOutOfRange) {
  make_the_network();
  for (const char* port : {"0", "70000", "-1"}) {
    const std::string before = everything();
    const auto host_port =
        std::string(R"({"portMappings": [{"hostPort": )") + port + R"(, "containerPort": 80, "protocol": "tcp"}]})";
    expect_failure(add({{"CAP_ARGS", host_port}}), before, HasSubstr("hostPort"), HasSubstr(port));
    const auto container_port =
        std::string(R"({"portMappings": [{"hostPort": 80, "containerPort": )") + port + R"(, "protocol": "tcp"}]})";
    expect_failure(add({{"CAP_ARGS", container_port}}), before, HasSubstr("containerPort"), HasSubstr(port));
  }
}

TEST_F(AddFailuresTest, UnknownCapabilityValues) {
  make_the_network();
  const std::string before = everything();
  expect_failure(
      add({{"CAP_ARGS", R"({"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "icmp"}]})"}}), before,
      HasSubstr("icmp"));
  expect_failure(add({{"CAP_ARGS", R"({"portMappings": "8080:80"})"}}), before, HasSubstr("portMappings"),
                 HasSubstr("8080:80"));
  expect_failure(add({{"CAP_ARGS", R"({"portMappings": )"}}), before, HasSubstr("CAP_ARGS"));
}

TEST_F(AddFailuresTest, AnErrorIsReportedWithThePluginsNameAndTheCommand) {
  make_the_network();
  portmap()["markMasqBit"] = 40;
  const std::string before = everything();
  expect_failure(add(), before, HasSubstr("plugin type=\"portmap\" failed (add): "), HasSubstr("markMasqBit"),
                 HasSubstr("40"));
}

}  // namespace
}  // namespace berth::test
