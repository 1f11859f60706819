#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "net/netlink.h"
#include "support/netlink.h"

namespace berth::net {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(NetlinkTest, ABridgeIsCreatedFoundChangedAndDeleted) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 1400, false);
  auto bridge = netlink.link("br0");
  EXPECT_EQ(bridge.kind, "bridge");
  EXPECT_EQ(bridge.mtu, 1400U);
  EXPECT_FALSE(bridge.is_up());
  EXPECT_FALSE(bridge.vlan_filtering);

  const auto mac = MacAddress::parse("02:00:00:00:00:42");
  netlink.set_mac(bridge.index, mac);
  netlink.set_mtu(bridge.index, 1300);
  netlink.set_promiscuous(bridge.index, true);
  netlink.set_up(bridge.index);
  bridge = netlink.link(bridge.index);
  EXPECT_TRUE(bridge.is_up());
  EXPECT_TRUE(bridge.is_promiscuous());
  EXPECT_EQ(bridge.mac, mac);
  EXPECT_EQ(bridge.mtu, 1300U);

  netlink.set_promiscuous(bridge.index, false);
  netlink.set_down(bridge.index);
  bridge = netlink.link("br0");
  EXPECT_FALSE(bridge.is_up());
  EXPECT_FALSE(bridge.is_promiscuous());

  EXPECT_TRUE(netlink.delete_link("br0"));
  EXPECT_FALSE(netlink.find_link("br0"));
  EXPECT_FALSE(netlink.delete_link("br0"));
}

TEST_F(NetlinkTest, ATakenNameIsAnErrorThatNamesIt) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const auto text = error_of(EEXIST, [&] { netlink.create_bridge("br0", 0, false); });
  EXPECT_EQ(text, "create bridge br0: file exists");
}

TEST_F(NetlinkTest, TheKernelsOwnExplanationIsAppended) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int bridge = netlink.link("br0").index;
  const auto text = error_of(EINVAL, [&] { netlink.set_mtu(bridge, 1); });
  EXPECT_THAT(text, HasSubstr("to 1: invalid argument ("));
  EXPECT_THAT(text, ::testing::EndsWith(")"));
}

TEST_F(NetlinkTest, AMissingLinkIsNamed) {
  auto netlink = Netlink::here();
  EXPECT_EQ(error_of(ENODEV, [&] { netlink.link("nosuch0"); }), "find link nosuch0: no such device");
  EXPECT_FALSE(netlink.find_link("nosuch0"));
  EXPECT_FALSE(netlink.find_link(4242));
}

TEST_F(NetlinkTest, AVethPairIsMadeAcrossNamespacesInOneMessage) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  auto here = Netlink::here();
  here.create_bridge("br0", 0, false);
  const int bridge = here.link("br0").index;
  auto pair = pair_to(netns, bridge);
  pair.mtu = 1280;
  pair.near.tx_queue_length = 0;
  pair.far.mac = MacAddress::parse("02:00:00:00:00:07");
  here.create_veth(pair);

  const auto near = here.link("near0");
  const auto far = Netlink::in(netns).link("eth0");
  EXPECT_EQ(near.kind, "veth");
  EXPECT_EQ(near.master, bridge);
  EXPECT_EQ(near.mtu, 1280U);
  EXPECT_EQ(near.tx_queue_length, 0U);
  EXPECT_TRUE(near.is_up());
  EXPECT_EQ(near.parent, far.index);
  EXPECT_TRUE(near.parent_netns_id.has_value());
  EXPECT_EQ(far.mac, pair.far.mac);
  EXPECT_EQ(far.mtu, 1280U);
  EXPECT_EQ(far.tx_queue_length, 1000U);
  EXPECT_FALSE(far.is_up());
  EXPECT_EQ(far.parent, near.index);
  EXPECT_FALSE(here.find_link("eth0"));

  EXPECT_TRUE(Netlink::in(netns).delete_link("eth0"));
  EXPECT_FALSE(here.find_link("near0"));
}

TEST_F(NetlinkTest, ASocketStaysInItsNamespace) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  auto inside = Netlink::in(netns);
  inside.create_bridge("inner0", 0, false);
  EXPECT_FALSE(Netlink::here().find_link("inner0"));
  EXPECT_TRUE(netns.within([] { return Netlink::here(); }).find_link("inner0"));
}

TEST_F(NetlinkTest, PortsOfABridgeAreListedWithTheirSettings) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  netlink.create_bridge("br1", 0, false);
  const int bridge = netlink.link("br0").index;
  netlink.create_veth(pair_to(netns));
  EXPECT_THAT(netlink.ports(bridge), IsEmpty());

  int port = netlink.link("near0").index;
  netlink.set_master(port, bridge);
  netlink.set_hairpin(port, true);
  netlink.set_isolated(port, true);
  auto ports = netlink.ports(bridge);
  ASSERT_EQ(ports.size(), 1U);
  EXPECT_EQ(ports[0].name, "near0");
  ASSERT_TRUE(ports[0].port);
  EXPECT_TRUE(ports[0].port->hairpin);
  EXPECT_TRUE(ports[0].port->isolated);

  netlink.set_hairpin(port, false);
  netlink.set_isolated(port, false);
  const auto link = netlink.link("near0");
  EXPECT_FALSE(link.port->hairpin);
  EXPECT_FALSE(link.port->isolated);

  netlink.set_master(port, 0);
  EXPECT_FALSE(netlink.link("near0").port);
}

TEST_F(NetlinkTest, VlansOfAPortAreAddedListedAndDeletedSinglyAndAsRanges) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  auto netlink = Netlink::here();
  try {
    netlink.create_bridge("br0", 0, true);
  } catch (const base::SystemError& error) {
    GTEST_SKIP() << "this kernel has no bridge VLAN filtering: " << error.what();
  }
  EXPECT_TRUE(netlink.link("br0").vlan_filtering);
  netlink.create_veth(pair_to(netns, netlink.link("br0").index));
  const int port = netlink.link("near0").index;
  EXPECT_THAT(netlink.port_vlans(port), ElementsAre(BridgeVlan{1, 1, true, true}));
  netlink.delete_port_vlan(port, {1, 1, false, false});
  netlink.add_port_vlan(port, {100, 100, true, true});
  netlink.add_port_vlan(port, {200, 210, false, false});
  EXPECT_THAT(netlink.port_vlans(port),
              ElementsAre(BridgeVlan{100, 100, true, true}, BridgeVlan{200, 210, false, false}));
  netlink.delete_port_vlan(port, {200, 210, false, false});
  EXPECT_THAT(netlink.port_vlans(port), ElementsAre(BridgeVlan{100, 100, true, true}));
}

TEST_F(NetlinkTest, AddressesAreAddedListedAndDeleted) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int index = netlink.link("br0").index;
  netlink.set_up(index);
  const auto v4 = IpNet::parse("10.1.0.1/24");
  const auto v6 = IpNet::parse("fd00::1/64");
  netlink.add_address(index, {v4, false, 0});
  netlink.add_address(index, {v6, true, 0});

  const auto addresses = netlink.addresses(index, Family::kIpv4);
  ASSERT_EQ(addresses.size(), 1U);
  EXPECT_EQ(addresses[0].address, v4);
  bool found = false;
  for (const auto& address : netlink.addresses(index)) {
    if (address.address != v6) continue;
    found = true;
    EXPECT_FALSE(address.is_tentative());
  }
  EXPECT_TRUE(found);

  EXPECT_THAT(error_of(EEXIST,
                       [&] {
                         netlink.add_address(index, {v4, false, 0});
                       }),
              HasSubstr("add address 10.1.0.1/24 on link #" + std::to_string(index) + ": file exists"));
  EXPECT_TRUE(netlink.delete_address(index, v4));
  EXPECT_FALSE(netlink.delete_address(index, v4));
  EXPECT_THAT(netlink.addresses(index, Family::kIpv4), IsEmpty());
}

TEST_F(NetlinkTest, RoutesKeepEveryAttribute) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int index = netlink.link("br0").index;
  netlink.add_address(index, {IpNet::parse("10.1.0.2/24"), false, 0});
  netlink.set_up(index);
  LinkRoute route;
  route.dst = IpNet::parse("192.0.2.0/24");
  route.gw = IpAddress::parse("10.1.0.1");
  route.device = index;
  route.priority = 50;
  route.table = 1000;
  route.mtu = 1400;
  route.advmss = 1300;
  netlink.add_route(route);
  const auto listed = netlink.routes(Family::kIpv4, 0, 1000);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].dst, route.dst);
  EXPECT_EQ(listed[0].gw, route.gw);
  EXPECT_EQ(listed[0].device, index);
  EXPECT_EQ(listed[0].priority, 50U);
  EXPECT_EQ(listed[0].mtu, 1400U);
  EXPECT_EQ(listed[0].advmss, 1300U);
  error_of(EEXIST, [&] { netlink.add_route(route); });

  // The main table has only the kernel's own route for the prefix.
  const auto main_table = netlink.routes(Family::kIpv4, index);
  ASSERT_EQ(main_table.size(), 1U);
  EXPECT_EQ(main_table[0].dst, IpNet::parse("10.1.0.0/24"));
  EXPECT_EQ(main_table[0].source, IpAddress::parse("10.1.0.2"));

  EXPECT_TRUE(netlink.delete_route(route));
  EXPECT_FALSE(netlink.delete_route(route));
}

TEST_F(NetlinkTest, EqualDestinationsByTwoGatewaysAreBothListed) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int index = netlink.link("br0").index;
  netlink.set_up(index);
  netlink.add_address(index, {IpNet::parse("10.1.0.2/24"), false, 0});
  netlink.add_address(index, {IpNet::parse("fd00::2/64"), true, 0});
  for (const char* gateway : {"10.1.0.1", "10.1.0.3", "fd00::1", "fd00::3"}) {
    LinkRoute route;
    route.gw = IpAddress::parse(gateway);
    route.dst = {IpAddress::any(route.gw->family()), 0};
    route.device = index;
    netlink.add_route(route);
  }
  for (const auto family : {Family::kIpv4, Family::kIpv6}) {
    size_t defaults = 0;
    for (const auto& route : netlink.routes(family, index)) defaults += route.dst.prefix == 0 && route.gw ? 1 : 0;
    EXPECT_EQ(defaults, 2U);
  }
}

TEST_F(NetlinkTest, TheDeviceTowardsAnAddressIsFound) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int index = netlink.link("br0").index;
  netlink.add_address(index, {IpNet::parse("10.1.0.2/24"), false, 0});
  netlink.add_address(index, {IpNet::parse("fd00::2/64"), true, 0});
  netlink.set_up(index);
  EXPECT_EQ(netlink.route_device(IpAddress::parse("10.1.0.77")), "br0");
  EXPECT_EQ(netlink.route_device(IpAddress::parse("fd00::77")), "br0");
  EXPECT_EQ(netlink.route_device(IpAddress::parse("127.0.0.1")), "lo");
  EXPECT_EQ(netlink.route_device(IpAddress::parse("192.0.2.1")), std::nullopt);
  EXPECT_EQ(netlink.route_device(IpAddress::parse("2001:db8::1")), std::nullopt);
}

TEST_F(NetlinkTest, ChangesTogetherAreMadeInOrder) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int index = netlink.link("br0").index;
  LinkRoute route;
  route.dst = IpNet::parse("0.0.0.0/0");
  route.gw = IpAddress::parse("10.1.0.1");
  route.device = index;
  netlink.together([&] {
    netlink.add_address(index, {IpNet::parse("10.1.0.2/24"), false, 0});
    netlink.set_up(index);
    netlink.add_route(route);
  });
  EXPECT_EQ(netlink.route_device(IpAddress::parse("192.0.2.1")), "br0");
}

TEST_F(NetlinkTest, TheFirstFailureOfChangesTogetherIsThrownAndTheSocketStaysUsable) {
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int index = netlink.link("br0").index;
  const auto address = IpNet::parse("10.1.0.2/24");
  const auto text = error_of(EEXIST, [&] {
    netlink.together([&] {
      netlink.add_address(index, {address, false, 0});
      netlink.add_address(index, {address, false, 0});
      netlink.create_bridge("br0", 0, false);
    });
  });
  EXPECT_THAT(text, HasSubstr("add address 10.1.0.2/24"));
  EXPECT_EQ(netlink.link("br0").index, index);
  EXPECT_THROW(netlink.together([&] { netlink.links(); }), std::logic_error);
  EXPECT_EQ(netlink.link("br0").index, index);
  netlink.together([] {});
}

TEST_F(NetlinkTest, AListIsCompleteWhileAddressesComeAndGo) {
  constexpr int kKept = 1000;
  auto netlink = Netlink::here();
  netlink.create_bridge("br0", 0, false);
  const int index = netlink.link("br0").index;
  const auto address = [](int i) {
    return IpNet::parse("10.1." + std::to_string(i / 200) + "." + std::to_string(i % 200) + "/32");
  };
  netlink.together([&] {
    for (int i = 0; i < kKept; ++i) netlink.add_address(index, {address(i), false, 0});
  });

  std::atomic<bool> stop = false;
  auto other = Netlink::here();
  std::thread disturber([&] {
    const auto passing = IpNet::parse("10.9.9.9/32");
    while (!stop) {
      other.add_address(index, {passing, false, 0});
      other.delete_address(index, passing);
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  for (int i = 0; i < 50; ++i) {
    int kept = 0;
    for (const auto& found : netlink.addresses(index, Family::kIpv4)) kept += found.address.address.bytes()[1] == 1;
    EXPECT_EQ(kept, kKept);
  }
  stop = true;
  disturber.join();
}

}  // namespace
}  // namespace berth::net
