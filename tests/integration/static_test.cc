// The static IPAM plugin: what it answers, beside the reference where both know the same, and through bridge.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/json.h"
#include "net/netlink.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;

class StaticTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    config_ = Json::parse(R"({"cniVersion": "1.0.0", "name": "n", "type": "bridge",
      "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"},
                                               {"address": "fd00::5/64"}],
               "routes": [{"dst": "0.0.0.0/0"}, {"dst": "fd01::/16", "gw": "fd00::9"}],
               "dns": {"nameservers": ["10.1.0.1"], "domain": "d.test", "search": ["s.test"], "options": ["ndots:2"]}}})");
  }

  base::CommandResult call(const std::string& command, const std::string& args = "",
                           const std::string& plugin = built("static")) const {
    std::map<std::string, std::string> env{{"CNI_COMMAND", command}};
    if (command != "GC" && command != "STATUS") {
      env["CNI_CONTAINERID"] = "box";
      env["CNI_NETNS"] = "/run/netns/none";
      env["CNI_IFNAME"] = "eth0";
    }
    if (!args.empty()) env["CNI_ARGS"] = args;
    return run_plugin(plugin, env, config_.dump());
  }

  Json add(const std::string& args = "") const {
    const auto result = call("ADD", args);
    EXPECT_TRUE(result.ok()) << result.output << result.error;
    return result.ok() ? Json::parse(result.output) : Json::object();
  }

  /// The addresses of the answer, with their gateways: "10.1.0.5/24 via 10.1.0.1".
  std::vector<std::string> addresses(const std::string& args = "") const {
    std::vector<std::string> found;
    const auto result = add(args);
    for (const auto& ip : result["ips"]) {
      const auto gateway = ip.value("gateway", "");
      found.push_back(ip["address"].get<std::string>() + (gateway.empty() ? "" : " via " + gateway));
    }
    return found;
  }

  Json error(const std::string& command, const std::string& args = "") const {
    const auto result = call(command, args);
    EXPECT_EQ(1, result.exit_status.value_or(-1)) << result.output << result.error;
    return result.ok() ? Json{{"code", 0}, {"msg", ""}} : Json::parse(result.output);
  }

  Json config_;
};

using List = std::vector<std::string>;

TEST_F(StaticTest, TheAnswerIsWhatTheConfigurationSays) {
  EXPECT_EQ((List{"10.1.0.5/24 via 10.1.0.1", "fd00::5/64"}), addresses());
  const auto result = add();
  EXPECT_EQ(config_["ipam"]["routes"], result["routes"]);
  EXPECT_EQ(config_["ipam"]["dns"], result["dns"]);
  EXPECT_FALSE(result.contains("interfaces"));
}

TEST_F(StaticTest, EveryVersionHasItsShape) {
  for (const char* version : {"0.1.0", "0.2.0"}) {
    config_["cniVersion"] = version;
    const auto result = add();
    EXPECT_EQ("10.1.0.5/24", result["ip4"]["ip"]) << version;
    EXPECT_EQ("fd00::5/64", result["ip6"]["ip"]) << version;
    EXPECT_EQ(Json::parse(R"([{"dst": "fd01::/16", "gw": "fd00::9"}])"), result["ip6"]["routes"]) << version;
  }
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0"}) {
    config_["cniVersion"] = version;
    EXPECT_EQ("6", add()["ips"][1]["version"]) << version;
  }
  for (const char* version : {"1.0.0", "1.1.0"}) {
    config_["cniVersion"] = version;
    EXPECT_FALSE(add()["ips"][1].contains("version")) << version;
  }
}

TEST_F(StaticTest, AnEmptyListIsAnAnswerWhereTheVersionCanSayIt) {
  config_["ipam"] = {{"type", "static"}};
  EXPECT_FALSE(add().contains("ips"));
  config_["cniVersion"] = "0.2.0";
  EXPECT_EQ("cannot convert: no valid IP addresses", error("ADD")["msg"]);
}

TEST_F(StaticTest, AddressesOfTheEnvironmentComeBehindThoseOfTheConfiguration) {
  EXPECT_EQ((List{"10.1.0.5/24 via 10.1.0.1", "fd00::5/64", "10.2.0.7/16", "fd02::7/64"}),
            addresses("IP=10.2.0.7/16, fd02::7/64"));
}

TEST_F(StaticTest, GatewaysOfTheEnvironmentGoToTheAddressesWhoseSubnetsContainThem) {
  EXPECT_EQ((List{"10.1.0.5/24 via 10.1.0.1", "fd00::5/64", "10.2.0.7/16 via 10.2.0.1"}),
            addresses("GATEWAY=10.2.0.1;IP=10.2.0.7/16"));
  EXPECT_EQ((List{"10.1.0.5/24 via 10.1.0.254", "fd00::5/64 via fd00::fe"}), addresses("GATEWAY=10.1.0.254,fd00::fe"));
}

TEST_F(StaticTest, ArgsOfTheConfigurationReplaceAllOthersButThoseOfTheRuntime) {
  config_["args"]["cni"]["ips"] = {"10.3.0.3/24", "fd03::3/64"};
  EXPECT_EQ((List{"10.3.0.3/24", "fd03::3/64"}), addresses("IP=10.2.0.7/16"));
  config_["runtimeConfig"]["ips"] = {"10.4.0.4/24"};
  EXPECT_EQ((List{"10.4.0.4/24"}), addresses("IP=10.2.0.7/16"));
  config_["runtimeConfig"]["ips"] = Json::array();
  EXPECT_EQ((List{"10.3.0.3/24", "fd03::3/64"}), addresses());
}

TEST_F(StaticTest, EveryMistakeNamesItsKeyAndValue) {
  const Json good = config_;
  const auto expect = [&](unsigned code, const std::string& text, const std::string& args = "") {
    const auto failed = error("ADD", args);
    EXPECT_EQ(code, failed["code"].get<unsigned>()) << failed.dump();
    EXPECT_THAT(failed["msg"].get<std::string>(), HasSubstr(text));
    config_ = good;
  };
  config_["ipam"]["addresses"][1]["address"] = "fd00::5";
  expect(7, "ipam.addresses[1].address: the 'address' field is expected to be in CIDR notation, got: 'fd00::5'");
  config_["ipam"]["addresses"][0].erase("address");
  expect(7, "ipam.addresses[0].address");
  config_["ipam"]["addresses"][0]["address"] = 5;
  expect(7, "ipam.addresses[0].address");
  config_["ipam"]["addresses"][0]["gateway"] = "10.1.0.01";
  expect(7, "ipam.addresses[0].gateway: invalid IP address \"10.1.0.01\"");
  config_["ipam"]["routes"][0]["dst"] = "everywhere";
  expect(7, "ipam.routes[0].dst");
  config_["ipam"]["dns"] = "10.1.0.1";
  expect(7, "ipam.dns");
  config_["args"]["cni"]["ips"] = {"10.3.0.3"};
  expect(7, "args.cni.ips: an entry in the 'ips' field is NOT in CIDR notation, got: '10.3.0.3'");
  config_["runtimeConfig"]["ips"] = {"10.3.0.3/33"};
  expect(7, "runtimeConfig.ips: an entry in the 'ips' field is NOT in CIDR notation, got: '10.3.0.3/33'");
  config_.erase("ipam");
  expect(7, "IPAM config missing 'ipam' key");
  expect(4, "got: '10.2.0.7'", "IP=10.2.0.7");
  expect(4, "invalid GATEWAY address: gw", "GATEWAY=gw");
  expect(4, "unknown args [\"MAC=1\"]", "MAC=1");
  config_["cniVersion"] = "0.2.0";
  expect(7, "CNI version 0.2.0 does not support more than 1 address per family", "IP=10.2.0.7/16");
}

TEST_F(StaticTest, CheckNeedsPrevResultAndTheGatewaysInIt) {
  EXPECT_EQ(7, error("CHECK")["code"]);
  config_["prevResult"] = add();
  EXPECT_TRUE(call("CHECK").ok());
  config_["prevResult"]["ips"][0]["gateway"] = "10.1.0.2";
  EXPECT_THAT(error("CHECK")["msg"].get<std::string>(), HasSubstr("Failed to match addr 10.1.0.5/24"));
}

TEST_F(StaticTest, DelAndGcHaveNothingToDoAndStatusReadsTheConfiguration) {
  config_["cniVersion"] = "1.1.0";
  EXPECT_TRUE(call("STATUS").ok());
  config_["ipam"]["addresses"][0]["address"] = "nonsense";
  EXPECT_EQ(7, error("STATUS")["code"]);
  for (const char* command : {"DEL", "DEL", "GC"}) {
    const auto result = call(command);
    EXPECT_TRUE(result.ok()) << result.output;
    EXPECT_EQ("", result.output);
  }
}

TEST_F(StaticTest, TheReferenceAnswersTheSame) {
  if (reference_plugins().empty()) GTEST_SKIP() << "needs the package containernetworking-plugins";
  const auto expect_same = [&](const std::string& args = "") {
    const auto theirs = call("ADD", args, reference_plugins() + "/static");
    ASSERT_TRUE(theirs.ok()) << theirs.output;
    EXPECT_EQ(nlohmann::json::parse(theirs.output), nlohmann::json::parse(add(args).dump()));
  };
  expect_same();
  expect_same("IP=10.2.0.7/16,fd02::7/64;GATEWAY=10.2.0.1,fd02::1");
  for (const char* version : {"0.2.0", "0.3.1", "0.4.0"}) {
    config_["cniVersion"] = version;
    expect_same();
  }
  config_["args"]["cni"]["ips"] = {"10.3.0.3/24", "fd03::3/64"};
  expect_same();
  config_["runtimeConfig"]["ips"] = {"10.4.0.4/24"};
  expect_same();
}

TEST_F(StaticTest, BridgeGivesTheContainerTheAddresses) {
  NamedNetNs box("box");
  config_["bridge"] = "br0";
  const std::map<std::string, std::string> env{
      {"CNI_COMMAND", "ADD"}, {"CNI_CONTAINERID", "box"}, {"CNI_NETNS", box.path()}, {"CNI_IFNAME", "eth0"}};
  const auto added = run_plugin(built("bridge"), env, config_.dump());
  ASSERT_TRUE(added.ok()) << added.output;
  auto inside = net::Netlink::in(box.open());
  const auto link = inside.link("eth0");
  EXPECT_EQ("10.1.0.5/24", inside.addresses(link.index, net::Family::kIpv4).at(0).address.to_string());
  const auto routes = inside.routes(net::Family::kIpv4, link.index);
  EXPECT_TRUE(std::any_of(routes.begin(), routes.end(), [](const net::LinkRoute& route) {
    return route.dst.prefix == 0 && route.gw == net::IpAddress::parse("10.1.0.1");
  }));
}

}  // namespace
}  // namespace berth::test
