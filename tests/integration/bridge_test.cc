// The bridge plugin, run as a runtime runs it, with host-local; what it did is read back from the kernel.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpAddress;
using net::IpNet;
using net::Netlink;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Environment = std::map<std::string, std::string>;

constexpr int kConfigError = 7;
constexpr int kUnsupported = 2;

class BridgeTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    box_ = std::make_unique<NamedNetNs>("box");
    config_ = Json::parse(R"({
      "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}})");
  }

  void use_dual_stack() {
    config_["ipam"]["ranges"] = Json::parse(R"([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]])");
    config_["ipam"]["routes"] = Json::parse(R"([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])");
  }

  void use_layer_2() {
    config_.erase("ipam");
    config_.erase("isGateway");
  }

  base::CommandResult call(const std::string& command, Environment env = {}) const {
    env.try_emplace("CNI_COMMAND", command);
    env.try_emplace("CNI_CONTAINERID", "box");
    env.try_emplace("CNI_NETNS", "/run/netns/box");
    env.try_emplace("CNI_IFNAME", "eth0");
    return run_plugin(built("bridge"), env, config_.dump());
  }

  /// The result of an ADD that must succeed; kept as prevResult for what follows.
  Json add(const Environment& env = {}) {
    const auto result = call("ADD", env);
    EXPECT_TRUE(result.ok()) << result.output << result.error;
    if (!result.ok()) return Json::object();
    config_["prevResult"] = Json::parse(result.output);
    return config_["prevResult"];
  }

  void expect_ok(const std::string& command, const Environment& env = {}) const {
    const auto result = call(command, env);
    EXPECT_TRUE(result.ok()) << command << ": " << result.output << result.error;
    EXPECT_EQ(result.output, "");
  }

  /// The error object of a command that must fail.
  Json error(const std::string& command, const Environment& env = {}) const {
    const auto result = call(command, env);
    EXPECT_FALSE(result.ok()) << command << " succeeded: " << result.output;
    return result.ok() ? Json{{"code", 0}, {"msg", ""}} : Json::parse(result.output);
  }

  std::string message(const std::string& command, const Environment& env = {}) const {
    const auto object = error(command, env);
    return object["msg"].get<std::string>() + object.value("details", "");
  }

  /// ADD must fail and change nothing at all.
  Json failed_add(const Environment& env = {}) const {
    const auto before = everything();
    auto object = error("ADD", env);
    EXPECT_EQ(everything(), before);
    return object;
  }

  std::string everything() const { return host_state() + must_run({"ip", "-n", "box", "-o", "address"}); }

  net::NetNs netns() const { return box_->open(); }
  Netlink inside() const { return Netlink::in(netns()); }
  net::Link eth0() const { return inside().link("eth0"); }
  /// The port of br0 that belongs to the attachment under test.
  static net::Link port() {
    auto host = Netlink::here();
    const auto ports = host.ports(host.link("br0").index);
    EXPECT_EQ(ports.size(), 1U);
    return ports.empty() ? net::Link{} : ports[0];
  }
  static std::vector<IpNet> addresses(Netlink netlink, const std::string& link) {
    std::vector<IpNet> found;
    for (const auto& address : netlink.addresses(netlink.link(link).index)) {
      if (!address.address.address.is_link_local_unicast()) found.push_back(address.address);
    }
    return found;
  }
  std::string sysctl_inside(const std::string& name) const {
    return netns().within([&] { return net::sysctl::read(name); });
  }
  static void ping_from_inside(const char* address) {
    must_run({"ip", "netns", "exec", "box", system_program("busybox"), "ping", "-c", "1", "-W", "1", address});
  }
  static std::string masquerade_rules() { return must_run({"iptables-legacy", "-t", "nat", "-S"}); }

  std::unique_ptr<NamedNetNs> box_;
  Json config_;
};

TEST_F(BridgeTest, AnAttachmentIsDescribedAsTheReferenceDescribesIt) {
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 3U);
  const auto host_veth = port();
  EXPECT_EQ(result["interfaces"][0], (Json{{"name", "br0"}, {"mac", Netlink::here().link("br0").mac.to_string()}}));
  EXPECT_EQ(result["interfaces"][1], (Json{{"name", host_veth.name}, {"mac", host_veth.mac.to_string()}}));
  EXPECT_EQ(result["interfaces"][2],
            (Json{{"name", "eth0"}, {"mac", eth0().mac.to_string()}, {"sandbox", "/run/netns/box"}}));
  ASSERT_EQ(result["ips"].size(), 1U);
  EXPECT_EQ(result["ips"][0]["interface"], 2);
  EXPECT_EQ(result["ips"][0]["address"], "10.1.0.2/24");
  EXPECT_EQ(result["ips"][0]["gateway"], "10.1.0.1");
  EXPECT_EQ(result["routes"], Json::parse(R"([{"dst": "0.0.0.0/0"}])"));
  EXPECT_FALSE(result.contains("dns"));
}

TEST_F(BridgeTest, InterfaceMtusAreNewsOfVersion110) {
  config_["cniVersion"] = "1.1.0";
  EXPECT_EQ(add()["interfaces"][2]["mtu"], 1500);
}

TEST_F(BridgeTest, TheContainerIsConfiguredAndReachesItsGateway) {
  add();
  EXPECT_THAT(addresses(inside(), "eth0"), ElementsAre(IpNet::parse("10.1.0.2/24")));
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
  EXPECT_EQ(inside().route_device(IpAddress::parse("192.0.2.1")), "eth0");
  EXPECT_EQ(sysctl_inside("net/ipv4/conf/eth0/arp_notify"), "1");
  EXPECT_EQ(sysctl_inside("net/ipv6/conf/eth0/accept_dad"), "0");
  EXPECT_EQ(net::sysctl::read("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(net::sysctl::read("net/ipv6/conf/br0/accept_ra"), "0");
  EXPECT_EQ(net::sysctl::read("net/ipv6/conf/" + port().name + "/accept_ra"), "0");
  EXPECT_EQ(port().tx_queue_length, 0U);
  EXPECT_EQ(port().port->state, 3) << "the port forwards at once";
  ping_from_inside("10.1.0.1");
}

TEST_F(BridgeTest, DualStackIsUsableAtOnce) {
  use_dual_stack();
  const auto result = add();
  ASSERT_EQ(result["ips"].size(), 2U);
  EXPECT_EQ(result["ips"][1]["address"], "fd01::2/64");
  EXPECT_EQ(result["ips"][1]["gateway"], "fd01::1");
  auto netlink = inside();
  for (const auto& address : netlink.addresses(eth0().index, net::Family::kIpv6)) {
    EXPECT_TRUE(address.address.address.is_link_local_unicast() || !address.is_tentative());
  }
  EXPECT_THAT(addresses(Netlink::here(), "br0"), Contains(IpNet::parse("fd01::1/64")));
  EXPECT_EQ(netlink.route_device(IpAddress::parse("2001:db8::1")), "eth0");
  EXPECT_EQ(net::sysctl::read("net/ipv6/conf/all/forwarding"), "1");
  EXPECT_EQ(sysctl_inside("net/ipv6/conf/eth0/keep_addr_on_down"), "1");
  expect_ok("CHECK");
}

TEST_F(BridgeTest, Ipv6IsSwitchedOnWhereItWasOff) {
  use_dual_stack();
  netns().within([] {
    net::sysctl::write("net/ipv6/conf/default/disable_ipv6", "1");
    net::sysctl::write("net/ipv6/conf/lo/disable_ipv6", "1");
  });
  add();
  EXPECT_THAT(addresses(inside(), "eth0"), Contains(IpNet::parse("fd01::2/64")));
  EXPECT_EQ(sysctl_inside("net/ipv6/conf/lo/disable_ipv6"), "0");
}

TEST_F(BridgeTest, DuplicateDetectionIsWaitedForWhereItIsWanted) {
  use_dual_stack();
  config_["enabledad"] = true;
  const auto start = std::chrono::steady_clock::now();
  add();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(sysctl_inside("net/ipv6/conf/eth0/accept_dad"), "1");
  EXPECT_EQ(sysctl_inside("net/ipv6/conf/eth0/enhanced_dad"), "1");
  const auto text = must_run({"ip", "-n", "box", "-6", "address", "show", "dev", "eth0"});
  EXPECT_THAT(text, AllOf(HasSubstr("fd01::2/64"), Not(HasSubstr("nodad")), Not(HasSubstr("tentative"))));
}

TEST_F(BridgeTest, ADefaultGatewayMakesDefaultRoutes) {
  use_dual_stack();
  config_.erase("isGateway");
  config_["isDefaultGateway"] = true;
  config_["ipam"].erase("routes");
  const auto result = add();
  EXPECT_EQ(result["routes"],
            Json::parse(R"([{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "::/0", "gw": "fd01::1"}])"));
  EXPECT_EQ(inside().route_device(IpAddress::parse("192.0.2.1")), "eth0");
  EXPECT_EQ(inside().route_device(IpAddress::parse("2001:db8::1")), "eth0");
}

TEST_F(BridgeTest, ADefaultRouteOfIpamWithAGatewayIsLeftAlone) {
  config_["isDefaultGateway"] = true;
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "0.0.0.0/0", "gw": "10.1.0.9"}])");
  EXPECT_EQ(add()["routes"].size(), 1U);
}

TEST_F(BridgeTest, ADefaultRouteOfIpamWithoutAGatewayIsNoConflict) {
  config_["isDefaultGateway"] = true;
  EXPECT_EQ(add()["routes"].size(), 2U);
  auto netlink = inside();
  size_t defaults = 0;
  for (const auto& route : netlink.routes(net::Family::kIpv4, eth0().index)) defaults += route.dst.prefix == 0 ? 1 : 0;
  EXPECT_EQ(defaults, 1U);
}

TEST_F(BridgeTest, RoutesKeepTheirMetrics) {
  config_["ipam"]["routes"] = Json::parse(
      R"([{"dst": "192.0.2.0/24", "gw": "10.1.0.1", "mtu": 1400, "advmss": 1300, "priority": 50, "table": 99}])");
  config_["cniVersion"] = "1.1.0";
  add();
  const auto routes = inside().routes(net::Family::kIpv4, eth0().index, 99);
  ASSERT_EQ(routes.size(), 1U);
  EXPECT_EQ(routes[0].mtu, 1400U);
  EXPECT_EQ(routes[0].advmss, 1300U);
  EXPECT_EQ(routes[0].priority, 50U);
  expect_ok("CHECK");
}

TEST_F(BridgeTest, TheMtuIsTheBridgesAndBothEnds) {
  config_["mtu"] = 1400;
  add();
  EXPECT_EQ(Netlink::here().link("br0").mtu, 1400U);
  EXPECT_EQ(port().mtu, 1400U);
  EXPECT_EQ(eth0().mtu, 1400U);
}

TEST_F(BridgeTest, HairpinAndIsolationAreSettingsOfThePort) {
  config_["hairpinMode"] = true;
  config_["portIsolation"] = true;
  add();
  EXPECT_TRUE(port().port->hairpin);
  EXPECT_TRUE(port().port->isolated);
  expect_ok("CHECK");
}

TEST_F(BridgeTest, HairpinAndIsolationAreOffUnlessAskedFor) {
  add();
  EXPECT_FALSE(port().port->hairpin);
  EXPECT_FALSE(port().port->isolated);
}

TEST_F(BridgeTest, PromiscuousModeIsTheBridges) {
  config_["promiscMode"] = true;
  add();
  EXPECT_TRUE(Netlink::here().link("br0").is_promiscuous());
  expect_ok("CHECK");
}

TEST_F(BridgeTest, AHardwareAddressMayComeFromThreePlacesInOrder) {
  const Environment env{{"CNI_ARGS", "IgnoreUnknown=1;MAC=02:00:00:00:00:01"}};
  EXPECT_EQ(add(env)["interfaces"][2]["mac"], "02:00:00:00:00:01");
  EXPECT_EQ(eth0().mac.to_string(), "02:00:00:00:00:01");
  expect_ok("DEL", env);
  config_["args"] = Json::parse(R"({"cni": {"mac": "02:00:00:00:00:02"}})");
  EXPECT_EQ(add(env)["interfaces"][2]["mac"], "02:00:00:00:00:02");
  expect_ok("DEL", env);
  config_["runtimeConfig"] = Json::parse(R"({"mac": "02:00:00:00:00:03"})");
  EXPECT_EQ(add(env)["interfaces"][2]["mac"], "02:00:00:00:00:03");
}

TEST_F(BridgeTest, ABadHardwareAddressIsNamedWithItsPlace) {
  config_["runtimeConfig"] = Json::parse(R"({"mac": "02:00:00"})");
  auto object = failed_add();
  EXPECT_EQ(object["code"], kConfigError);
  EXPECT_THAT(object["msg"].get<std::string>(), AllOf(HasSubstr("02:00:00"), HasSubstr("runtimeConfig.mac")));
  config_.erase("runtimeConfig");
  object = failed_add({{"CNI_ARGS", "MAC=01:00:00:00:00:01"}});
  EXPECT_EQ(object["code"], 4);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("01:00:00:00:00:01"));
}

TEST_F(BridgeTest, ARequestedAddressIsGiven) {
  config_["runtimeConfig"] = Json::parse(R"({"ips": ["10.1.0.77/24"]})");
  EXPECT_EQ(add()["ips"][0]["address"], "10.1.0.77/24");
  EXPECT_THAT(addresses(inside(), "eth0"), ElementsAre(IpNet::parse("10.1.0.77/24")));
}

TEST_F(BridgeTest, DnsOfTheConfigurationReplacesIpams) {
  config_["ipam"]["resolvConf"] = write("resolv.conf", "nameserver 192.0.2.53\n");
  EXPECT_EQ(add()["dns"], Json::parse(R"({"nameservers": ["192.0.2.53"]})"));
  expect_ok("DEL");
  config_["dns"] = Json::parse(R"({"nameservers": ["192.0.2.54"], "search": ["example.com"]})");
  EXPECT_EQ(add()["dns"], config_["dns"]);
}

TEST_F(BridgeTest, WithoutIpamTheLinkIsUpAndHasNoAddress) {
  use_layer_2();
  const auto result = add();
  EXPECT_EQ(result["interfaces"].size(), 3U);
  EXPECT_FALSE(result.contains("ips") && !result["ips"].empty());
  EXPECT_TRUE(eth0().is_operational());
  EXPECT_THAT(addresses(inside(), "eth0"), IsEmpty());
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_FALSE(inside().find_link("eth0"));
}

TEST_F(BridgeTest, TheContainersInterfaceMayBeLeftDown) {
  use_layer_2();
  config_["disableContainerInterface"] = true;
  add();
  EXPECT_FALSE(eth0().is_up());
  expect_ok("CHECK");
}

TEST_F(BridgeTest, ContradictionsAndValuesOutOfRangeAreRefused) {
  struct Case {
    const char* keys;
    int code;
    const char* message;
  };
  const Case cases[] = {
      {R"({"hairpinMode": true, "promiscMode": true})", kConfigError,
       "cannot set hairpin mode and promiscuous mode at the same time"},
      {R"({"disableContainerInterface": true})", kConfigError,
       "cannot use IPAM when DisableContainerInterface flag is set"},
      {R"({"macspoofchk": "yes"})", kConfigError, "macspoofchk"},
      {R"({"ipMasq": true, "ipMasqBackend": "pf"})", kUnsupported, "ipMasqBackend: \"pf\""},
      {R"({"vlan": 4095})", kConfigError, "invalid VLAN ID 4095 (must be between 0 and 4094)"},
      {R"({"vlan": -1})", kConfigError, "invalid VLAN ID -1 (must be between 0 and 4094)"},
      {R"({"vlanTrunk": [{"minID": 0, "maxID": 3}]})", kConfigError, "incorrect trunk minID parameter"},
      {R"({"vlanTrunk": [{"minID": 1, "maxID": 5000}]})", kConfigError, "incorrect trunk maxID parameter"},
      {R"({"vlanTrunk": [{"id": 4095}]})", kConfigError, "incorrect trunk id parameter"},
      {R"({"vlanTrunk": [{"minID": 9, "maxID": 3}]})", kConfigError, "minID is greater than maxID in trunk parameter"},
      {R"({"vlanTrunk": [{"minID": 9}]})", kConfigError,
       "minID and maxID should be configured simultaneously, maxID is missing"},
      {R"({"vlanTrunk": [{"maxID": 9}]})", kConfigError,
       "minID and maxID should be configured simultaneously, minID is missing"},
      {R"({"mtu": -1})", kConfigError, "mtu"},
      {R"({"mtu": "1500"})", kConfigError, "mtu"},
      {R"({"isGateway": "yes"})", kConfigError, "isGateway"},
      {R"({"bridge": "a-name-that-is-too-long"})", kConfigError, "a-name-that-is-too-long"},
      {R"({"bridge": "bridge-of-net", "vlan": 100})", kConfigError, "bridge-of-net.100"},
  };
  const auto plain = config_;
  for (const auto& wrong : cases) {
    SCOPED_TRACE(wrong.keys);
    config_ = plain;
    config_.update(Json::parse(wrong.keys));
    const auto object = failed_add();
    EXPECT_EQ(object["code"], wrong.code);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(wrong.message));
  }
}

TEST_F(BridgeTest, VlansAreThePortsAndTheGatewayLivesInItsVlan) {
  config_["vlan"] = 100;
  config_["vlanTrunk"] = Json::parse(R"([{"minID": 200, "maxID": 203}, {"id": 202}, {"id": 300}])");
  const auto answer = call("ADD");
  if (!answer.ok() && answer.output.find("operation not supported") != std::string::npos) {
    GTEST_SKIP() << "this kernel has no bridge VLAN filtering: " << answer.output;
  }
  ASSERT_TRUE(answer.ok()) << answer.output;
  const auto result = Json::parse(answer.output);
  config_["prevResult"] = result;
  auto host = Netlink::here();
  const auto veth = host.link(result["interfaces"][1]["name"].get<std::string>());
  EXPECT_THAT(host.port_vlans(veth.index),
              ElementsAre(net::BridgeVlan{100, 100, true, true}, net::BridgeVlan{200, 203, false, false},
                          net::BridgeVlan{300, 300, false, false}));
  EXPECT_TRUE(host.link("br0").vlan_filtering);
  ASSERT_EQ(result["interfaces"].size(), 4U);
  EXPECT_EQ(result["interfaces"][3]["name"], "br0.100");
  EXPECT_THAT(addresses(Netlink::here(), "br0.100"), ElementsAre(IpNet::parse("10.1.0.1/24")));
  EXPECT_THAT(addresses(Netlink::here(), "br0"), IsEmpty());
  ping_from_inside("10.1.0.1");
  expect_ok("CHECK");
  host.delete_port_vlan(veth.index, {300, 300, false, false});
  EXPECT_THAT(message("CHECK"), HasSubstr("VLAN 300"));
  expect_ok("DEL");
  EXPECT_TRUE(host.find_link("br0.100")) << "other containers may need the gateway";
}

TEST_F(BridgeTest, ATrunkAloneKeepsTheDefaultVlanUntagged) {
  use_layer_2();
  config_["vlanTrunk"] = Json::parse(R"([{"minID": 10, "maxID": 12}])");
  const auto answer = call("ADD");
  if (!answer.ok() && answer.output.find("operation not supported") != std::string::npos) {
    GTEST_SKIP() << "this kernel has no bridge VLAN filtering: " << answer.output;
  }
  ASSERT_TRUE(answer.ok()) << answer.output;
  EXPECT_THAT(Netlink::here().port_vlans(port().index),
              ElementsAre(net::BridgeVlan{1, 1, true, true}, net::BridgeVlan{10, 12, false, false}));
}

TEST_F(BridgeTest, AConflictingBridgeAddressIsAnErrorAndStaysUnlessForced) {
  auto host = Netlink::here();
  host.create_bridge("br0", 0, false);
  const int bridge = host.link("br0").index;
  host.add_address(bridge, {IpNet::parse("10.9.0.1/16"), false, 0});
  const auto object = failed_add();
  EXPECT_THAT(object["msg"].get<std::string>(),
              HasSubstr("\"br0\" already has an IP address different from 10.1.0.1/24"));

  config_["forceAddress"] = true;
  add();
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
}

TEST_F(BridgeTest, AnIpv6AddressThatDoesNotOverlapIsNoConflict) {
  use_dual_stack();
  auto host = Netlink::here();
  host.create_bridge("br0", 0, false);
  host.add_address(host.link("br0").index, {IpNet::parse("fd99::1/64"), true, 0});
  add();
  EXPECT_THAT(addresses(Netlink::here(), "br0"),
              AllOf(Contains(IpNet::parse("fd99::1/64")), Contains(IpNet::parse("fd01::1/64"))));
}

TEST_F(BridgeTest, ForcedAwayAddressesComeBackIfTheRestFails) {
  auto host = Netlink::here();
  host.create_bridge("br0", 0, false);
  host.set_mac(host.link("br0").index, net::MacAddress::parse("02:00:00:00:00:42"));
  host.add_address(host.link("br0").index, {IpNet::parse("10.9.0.1/16"), false, 0});
  config_["forceAddress"] = true;
  // A route that the kernel refuses: its gateway is nowhere near. The gateway address is in place by then.
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  const auto object = failed_add();
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("192.0.2.0/24 via 198.51.100.1"));
}

TEST_F(BridgeTest, AFailureAfterTheBridgeWasMadeRemovesIt) {
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  failed_add();
  EXPECT_FALSE(Netlink::here().find_link("br0"));
}

TEST_F(BridgeTest, AFailureLeavesABridgeThatOthersUse) {
  NamedNetNs other("other");
  auto elsewhere = config_;
  add({{"CNI_CONTAINERID", "other"}, {"CNI_NETNS", other.path()}});
  config_ = elsewhere;
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  failed_add();
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
}

TEST_F(BridgeTest, EveryFailureLeavesTheHostAsItWas) {
  const auto plain = config_;
  config_["ipam"]["type"] = "no-such-ipam";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("failed to find plugin \"no-such-ipam\""));

  config_ = plain;
  config_["mtu"] = 20;
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("mtu 20"));

  config_ = plain;
  auto object = failed_add({{"CNI_NETNS", "/run/netns/gone"}});
  EXPECT_EQ(object["code"], 8);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("/run/netns/gone: no such file or directory"));

  base::write_file_atomic(scratch() + "/file", "", 0644);
  EXPECT_THAT(failed_add({{"CNI_NETNS", scratch() + "/file"}})["msg"].get<std::string>(),
              HasSubstr("/file is not a network namespace"));

  inside().create_bridge("eth0", 0, false);
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("eth0 already exists in /run/netns/box"));
  inside().delete_link("eth0");

  config_["bridge"] = "lo";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("\"lo\" already exists but is not a bridge"));
}

TEST_F(BridgeTest, AResultThatTheVersionCannotExpressIsRefusedFirst) {
  use_layer_2();
  config_["cniVersion"] = "0.2.0";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("cannot convert: no valid IP addresses"));
}

TEST_F(BridgeTest, MasqueradingIsAddedCheckedAndRemovedWithoutTheNamespace) {
  config_["ipMasq"] = true;
  const auto before = masquerade_rules();
  add();
  EXPECT_THAT(masquerade_rules(), AllOf(HasSubstr("10.1.0.2"), HasSubstr("MASQUERADE")));
  expect_ok("CHECK");
  box_->remove();
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_THAT(masquerade_rules(), Not(HasSubstr("10.1.0.2")));
  EXPECT_EQ(base::read_file("/proc/self/mounts").find("netns/box"), std::string::npos);
}

TEST_F(BridgeTest, CheckMissesMasqueradingThatIsGone) {
  use_legacy_iptables();
  config_["ipMasq"] = true;
  add();
  must_run({"iptables-legacy", "-t", "nat", "-F", "POSTROUTING"});
  EXPECT_THAT(message("CHECK"), HasSubstr("masquerading"));
}

TEST_F(BridgeTest, DelIsRepeatableAndNeedsNoNamespace) {
  add();
  const auto with_previous = config_;
  expect_ok("DEL");
  EXPECT_FALSE(inside().find_link("eth0"));
  EXPECT_TRUE(Netlink::here().find_link("br0")) << "the bridge belongs to the network";
  expect_ok("DEL");
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  expect_ok("DEL", {{"CNI_NETNS", "/run/netns/gone"}});
  base::write_file_atomic(scratch() + "/left-over", "", 0644);
  expect_ok("DEL", {{"CNI_NETNS", scratch() + "/left-over"}});
  config_.erase("prevResult");
  expect_ok("DEL");
  config_["vlan"] = 9999;
  expect_ok("DEL");
}

TEST_F(BridgeTest, DelAfterAnAddThatFailedTouchesNothing) {
  config_["ipMasq"] = true;
  inside().create_bridge("eth0", 0, false);
  const auto before = everything();
  failed_add();
  expect_ok("DEL");
  config_["ipMasqBackend"] = "pf";
  expect_ok("DEL");
  EXPECT_EQ(everything(), before) << "neither the interface that was in the way nor an empty table";
}

TEST_F(BridgeTest, DelGivesTheAddressBack) {
  add();
  expect_ok("DEL");
  EXPECT_THAT(host_state(), Not(HasSubstr("/var/lib/cni/networks/net/10.1.0.2")));
}

TEST_F(BridgeTest, DelRemovesTheHostsEndOfANamespaceThatIsOutOfReach) {
  add();
  const auto veth = port().name;
  const auto alive = netns();
  box_->remove();
  expect_ok("DEL");
  EXPECT_FALSE(Netlink::here().find_link(veth));
}

TEST_F(BridgeTest, CheckNeedsThePreviousResult) {
  add();
  config_.erase("prevResult");
  const auto object = error("CHECK");
  EXPECT_EQ(object["code"], kConfigError);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("prevResult"));
}

/// Each is a change behind the plugin's back that CHECK must notice, by what it says then.
struct Tampering {
  const char* what;
  std::vector<std::string> command;  ///< "PORT" stands for the host's end.
  const char* message;
};

TEST_F(BridgeTest, CheckNoticesEachKindOfTampering) {
  use_dual_stack();
  const Tampering cases[] = {
      {"address", {"ip", "-n", "box", "address", "del", "10.1.0.2/24", "dev", "eth0"}, "10.1.0.2/24"},
      {"IPv6 address", {"ip", "-n", "box", "address", "del", "fd01::2/64", "dev", "eth0"}, "fd01::2/64"},
      {"route", {"ip", "-n", "box", "route", "del", "default"}, "route 0.0.0.0/0"},
      {"IPv6 route", {"ip", "-n", "box", "-6", "route", "del", "default"}, "route ::/0"},
      {"container down", {"ip", "-n", "box", "link", "set", "eth0", "down"}, "eth0"},
      {"container MAC",
       {"ip", "-n", "box", "link", "set", "eth0", "address", "02:00:00:00:00:99"},
       "02:00:00:00:00:99"},
      {"container gone", {"ip", "-n", "box", "link", "del", "eth0"}, "eth0 does not exist"},
      {"port gone from the bridge", {"ip", "link", "set", "PORT", "nomaster"}, "is not a port of bridge br0"},
      {"port down", {"ip", "link", "set", "PORT", "down"}, "is down"},
      {"hairpin", {"ip", "link", "set", "PORT", "type", "bridge_slave", "hairpin", "on"}, "hairpinMode"},
      {"isolation", {"ip", "link", "set", "PORT", "type", "bridge_slave", "isolated", "on"}, "portIsolation"},
      {"promiscuous bridge", {"ip", "link", "set", "br0", "promisc", "on"}, "promiscMode"},
      {"bridge MAC", {"ip", "link", "set", "br0", "address", "02:00:00:00:00:98"}, "02:00:00:00:00:98"},
      {"bridge down", {"ip", "link", "set", "br0", "down"}, "br0 is down"},
      {"gateway address", {"ip", "address", "del", "10.1.0.1/24", "dev", "br0"}, "gateway address 10.1.0.1/24"},
      {"bridge gone", {"ip", "link", "del", "br0"}, "br0 does not exist"},
      {"leases", {"rm", "-r", "/var/lib/cni/networks/net"}, ""},
  };
  const auto plain = config_;
  for (const auto& tampering : cases) {
    SCOPED_TRACE(tampering.what);
    config_ = plain;
    config_["ipam"]["ranges"][0][0]["rangeStart"] = "10.1.0.2";
    config_["runtimeConfig"] = Json::parse(R"({"ips": ["10.1.0.2", "fd01::2"]})");
    add();
    expect_ok("CHECK");
    auto command = tampering.command;
    std::replace(command.begin(), command.end(), std::string("PORT"), port().name);
    must_run(command);
    EXPECT_THAT(message("CHECK"), HasSubstr(tampering.message));
    expect_ok("DEL");
    Netlink::here().delete_link("br0");
  }
}

TEST_F(BridgeTest, CheckNoticesAnotherInterfaceOfTheSameName) {
  use_layer_2();
  add();
  inside().delete_link("eth0");
  inside().create_bridge("eth0", 0, false);
  EXPECT_THAT(message("CHECK"), HasSubstr("is not a veth"));
}

TEST_F(BridgeTest, GarbageOfAttachmentsThatAreNotValidIsCollected) {
  use_legacy_iptables();
  config_["cniVersion"] = "1.1.0";
  config_["ipMasq"] = true;
  const auto plain = config_;
  add();
  NamedNetNs other("other");
  config_ = plain;
  add({{"CNI_CONTAINERID", "other"}, {"CNI_NETNS", other.path()}});
  ASSERT_THAT(masquerade_rules(), AllOf(HasSubstr("10.1.0.2"), HasSubstr("10.1.0.3")));

  config_ = plain;
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "other", "ifname": "eth0"}])");
  expect_ok("GC");
  EXPECT_THAT(masquerade_rules(), AllOf(Not(HasSubstr("10.1.0.2")), HasSubstr("10.1.0.3")));
  EXPECT_THAT(host_state(), AllOf(Not(HasSubstr("/networks/net/10.1.0.2")), HasSubstr("/networks/net/10.1.0.3")));
  // Its namespace lives, its interface does not; that of the valid attachment, and of other networks, does.
  EXPECT_FALSE(inside().find_link("eth0"));
  EXPECT_TRUE(net::Netlink::in(other.open()).find_link("eth0"));
  config_["name"] = "other";
  config_["cni.dev/valid-attachments"] = Json::array();
  expect_ok("GC");
  EXPECT_TRUE(net::Netlink::in(other.open()).find_link("eth0"));
}

TEST_F(BridgeTest, StatusSaysWhetherAddWouldWork) {
  config_["cniVersion"] = "1.1.0";
  config_["ipMasq"] = true;
  expect_ok("STATUS");
  config_["bridge"] = "lo";
  EXPECT_EQ(error("STATUS")["code"], 50);
  config_["bridge"] = "br0";
  config_["ipMasqBackend"] = "pf";
  EXPECT_EQ(error("STATUS")["code"], 50);
}

/// An IPAM plugin of a few lines that writes down what it is asked, and whether the container has its interface then.
class ScriptedIpamTest : public BridgeTest {
 protected:
  void use_script(const std::string& at_add) {
    const auto path = write("bin/scripted", R"(#!/bin/sh
log=$(dirname "$0")/log
if ip -n box link show eth0 >/dev/null 2>&1; then link=present; else link=absent; fi
echo "$CNI_COMMAND $link" >> "$log"
[ "$CNI_COMMAND" = ADD ] || exit 0
)" + at_add + "\n");
    ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
    config_["ipam"] = Json{{"type", "scripted"}};
  }
  std::string log() const { return base::read_file(scratch() + "/bin/log"); }
  Environment env() const { return {{"CNI_PATH", scratch() + "/bin"}, {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}; }
};

constexpr const char* kLease = R"(echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24"}]}')";

TEST_F(ScriptedIpamTest, AnInterruptedAddUndoesEverything) {
  use_script(std::string("trap '' TERM\nkill -TERM $PPID\n") + kLease);
  EXPECT_EQ(failed_add(env())["code"], 11);
  EXPECT_EQ(log(), "ADD present\nDEL absent\n") << "addresses are given back when nobody has them any more";
}

TEST_F(ScriptedIpamTest, AnAddressIsGivenBackAfterTheInterfaceIsGone) {
  use_script(kLease);
  add(env());
  expect_ok("DEL", env());
  EXPECT_EQ(log(), "ADD present\nDEL absent\n");
}

TEST_F(ScriptedIpamTest, AnswersWithoutAddressesAreRefused) {
  use_script(R"(echo '{"cniVersion": "1.0.0", "ips": []}')");
  EXPECT_EQ(failed_add(env())["msg"], "IPAM plugin returned missing IP config");
}

TEST_F(ScriptedIpamTest, ItsErrorGoesThroughAsItIs) {
  use_script(R"(echo '{"code": 11, "msg": "come back later", "details": "daemon is starting"}'; exit 1)");
  const auto object = failed_add(env());
  EXPECT_EQ(object["code"], 11);
  EXPECT_EQ(object["msg"], "come back later");
  EXPECT_EQ(object["details"], "daemon is starting");
}

TEST_F(BridgeTest, ManyAtOnceShareOneBridgeThatNoneOfThemFound) {
  constexpr int kContainers = 12;
  std::vector<std::unique_ptr<NamedNetNs>> boxes;
  for (int i = 0; i < kContainers; ++i) boxes.push_back(std::make_unique<NamedNetNs>("box" + std::to_string(i)));
  std::vector<base::CommandResult> results(kContainers);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kContainers; ++i) {
    threads.emplace_back([&, i] {
      results[i] = call("ADD", {{"CNI_CONTAINERID", "box" + std::to_string(i)}, {"CNI_NETNS", boxes[i]->path()}});
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> given;
  for (const auto& result : results) {
    ASSERT_TRUE(result.ok()) << result.output << result.error;
    given.insert(Json::parse(result.output)["ips"][0]["address"].get<std::string>());
  }
  EXPECT_EQ(given.size(), static_cast<size_t>(kContainers));
  auto host = Netlink::here();
  EXPECT_EQ(host.ports(host.link("br0").index).size(), static_cast<size_t>(kContainers));
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
}

TEST_F(BridgeTest, TheMacOfABridgeWithoutGatewayMayFollowItsPorts) {
  use_layer_2();
  add();
  Netlink::here().set_mac(Netlink::here().link("br0").index, net::MacAddress::parse("02:00:00:00:00:01"));
  expect_ok("CHECK");
}

TEST_F(BridgeTest, NeighboursLearnTheNewOwnerOfAnAddress) {
  NamedNetNs other("other");
  const auto plain = config_;
  add({{"CNI_CONTAINERID", "other"}, {"CNI_NETNS", other.path()}});
  config_ = plain;
  must_run({"ip", "neighbour", "replace", "10.1.0.77", "lladdr", "02:00:00:00:00:99", "dev", "br0", "nud", "stale"});
  config_["runtimeConfig"] = Json::parse(R"({"ips": ["10.1.0.77"]})");
  const auto result = add();
  EXPECT_THAT(must_run({"ip", "neighbour", "show", "10.1.0.77", "dev", "br0"}),
              HasSubstr(result["interfaces"][2]["mac"].get<std::string>()));
}

TEST_F(BridgeTest, KeysAreReadInAnyCase) {
  config_.erase("isGateway");
  config_["ISGATEWAY"] = true;
  config_["Mtu"] = 1400;
  add();
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
  EXPECT_EQ(eth0().mtu, 1400U);
}

TEST_F(BridgeTest, TwoInterfacesOfOneContainerOnOneNetworkLiveSideBySide) {
  use_legacy_iptables();
  config_["ipMasq"] = true;
  const auto plain = config_;
  add();
  config_ = plain;
  add({{"CNI_IFNAME", "eth1"}});
  expect_ok("DEL", {{"CNI_IFNAME", "eth1"}});
  EXPECT_THAT(addresses(inside(), "eth0"), ElementsAre(IpNet::parse("10.1.0.2/24")));
  EXPECT_THAT(masquerade_rules(), AllOf(HasSubstr("10.1.0.2"), Not(HasSubstr("10.1.0.3"))));
}

TEST_F(BridgeTest, AContainerCannotSpeakUnderAnotherHardwareAddress) {
  if (system_program("nft").empty()) GTEST_SKIP() << "nftables is not installed";
  const auto ruleset = [] { return must_run({"nft", "list", "ruleset"}); };
  config_["macspoofchk"] = true;
  config_["isGateway"] = true;
  const auto mac = add()["interfaces"][2]["mac"].get<std::string>();
  expect_ok("CHECK");
  const auto reaches_the_gateway = [&] {
    must_run({"ip", "-n", "box", "neigh", "flush", "dev", "eth0"});
    return box_->open().within([] {
      return run({system_program("busybox"), "ping", "-c", "1", "-W", "1", "10.1.0.1"}).ok();
    });
  };
  const auto set_mac = [](const std::string& address) {
    must_run({"ip", "-n", "box", "link", "set", "eth0", "address", address});
  };
  EXPECT_TRUE(reaches_the_gateway());
  set_mac("02:00:00:00:00:99");
  EXPECT_FALSE(reaches_the_gateway());
  set_mac(mac);
  EXPECT_TRUE(reaches_the_gateway());
  must_run({"nft", "flush", "set", "bridge", "berth", "allowed-senders"});
  EXPECT_THAT(message("CHECK"), HasSubstr("spoofed"));
  box_->remove();
  for (int time = 0; time < 2; ++time) expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_EQ("", ruleset());
}

}  // namespace
}  // namespace berth::test
