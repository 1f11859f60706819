#include "bench/floor/network.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <net/if.h>

#include "firewall/netfilter/change.h"
#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "net/netlink.h"

namespace berth::bench {

namespace {

constexpr const char* kBridge = "floor0";
constexpr const char* kHostEnd = "floor-veth";
constexpr const char* kMasqueraded = "masqueraded";
constexpr uint16_t kPort = 9000;

const net::IpAddress& container() {
  static const auto kAddress = net::IpAddress::parse("10.99.0.2");
  return kAddress;
}

}  // namespace

void prepare_network() {
  auto netlink = net::Netlink::here();
  netlink.create_bridge(kBridge, 0, false);
  const int bridge = static_cast<int>(::if_nametoindex(kBridge));
  netlink.set_up(bridge);
  netlink.add_address(bridge, {net::IpNet::parse("10.99.0.1/16")});
  firewall::netfilter::Tables tables;
  firewall::netfilter::Batch batch;
  firewall::netfilter::Change change(batch, firewall::nftables::our_table());
  firewall::nftables::create_table(change);
  change.create_set(kMasqueraded, firewall::nftables::address_set(net::Family::kIpv4));
  tables.commit(batch);
}

void attach(const std::string& netns_path) {
  const auto netns = net::NetNs::open(netns_path);
  auto host = net::Netlink::here();
  net::VethPair pair;
  pair.near = {kHostEnd, nullptr, std::nullopt, static_cast<int>(::if_nametoindex(kBridge)), std::nullopt};
  pair.far = {"eth0", &netns, std::nullopt, 0, std::nullopt};
  pair.near_up = true;
  host.create_veth(pair);
  netns.within([&] {
    auto inside = net::Netlink::here();
    const int eth0 = static_cast<int>(::if_nametoindex("eth0"));
    inside.together([&] {
      inside.set_up(eth0);
      inside.add_address(eth0, {net::IpNet{container(), 16}});
      net::LinkRoute route;
      route.dst = net::IpNet::parse("0.0.0.0/0");
      route.gw = net::IpAddress::parse("10.99.0.1");
      route.device = eth0;
      inside.add_route(route);
    });
  });
  using namespace firewall::nftables;
  firewall::netfilter::Tables tables;
  firewall::netfilter::Batch batch;
  firewall::netfilter::Change change(batch, our_table());
  change.add_element(kMasqueraded, {address_key(container()), {}, {}});
  change.add_element(published_set(net::Family::kIpv4),
                     {port_key(IPPROTO_TCP, kPort), target_value(container(), 80), {}});
  tables.commit(batch);
}

void detach() {
  using namespace firewall::nftables;
  firewall::netfilter::Tables tables;
  firewall::netfilter::Batch batch;
  firewall::netfilter::Change change(batch, our_table());
  change.delete_element(kMasqueraded, address_key(container()));
  change.delete_element(published_set(net::Family::kIpv4), port_key(IPPROTO_TCP, kPort));
  tables.commit(batch);
  net::Netlink::here().delete_link(kHostEnd);
}

}  // namespace berth::bench
