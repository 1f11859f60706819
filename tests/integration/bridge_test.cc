// What ADD of the bridge plugin makes, run as a runtime runs it, with host-local; read back from the kernel.
#include <gmock/gmock.h>

#include "base/json.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "support/bridge.h"
#include "support/programs.h"

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

constexpr int kConfigError = 7;

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
  // The address of the bridge itself follows its lowest port.
  host.set_mac(host.link("br0").index, net::MacAddress::parse("02:00:00:00:00:01"));
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

}  // namespace
}  // namespace berth::test
