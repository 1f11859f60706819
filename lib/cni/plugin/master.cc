#include "cni/plugin/master.h"

#include "cni/error.h"
#include "cni/plugin/interface.h"

namespace berth::cni::master {

namespace {

std::string describe(const Config& config) {
  return "master \"" + config.name + "\"";
}

net::Link find(const Config& config, net::Netlink& netlink, Code code) {
  if (config.name.empty()) {
    if (const auto device = netlink.default_route_device()) return netlink.link(*device);
    throw Error(code, "no default route interface found, and no master is named");
  }
  if (const auto link = netlink.find_link(config.name)) return *link;
  throw Error(code, "failed to lookup " + describe(config) + ": link not found");
}

net::Netlink netlink_of(const Config& config, const net::NetNs& container) {
  return config.in_container ? net::Netlink::in(container) : net::Netlink::here();
}

}  // namespace

Config Config::parse(const base::JsonObject& json) {
  Config config;
  config.name = interface::configured_name(json, "master").value_or("");
  config.in_container = json.boolean("linkInContainer").value_or(false);
  return config;
}

Master find(const Config& config, const net::NetNs& container) {
  auto netlink = netlink_of(config, container);
  auto link = find(config, netlink, Code::kInvalidNetworkConfig);
  return {std::move(netlink), std::move(link)};
}

void Master::require_mtu(int64_t mtu) const {
  if (mtu < 0 || mtu > link.mtu) {
    throw Error(Code::kInvalidNetworkConfig,
                "invalid MTU " + std::to_string(mtu) + ", must be [0, master MTU(" + std::to_string(link.mtu) + ")]");
  }
}

net::ChildLink Master::child(const Request& request, const net::NetNs& container, int64_t mtu) const {
  net::ChildLink child;
  child.name = request.ifname();
  child.parent = link.index;
  child.netns = &container;
  child.mtu = static_cast<unsigned>(mtu);
  return child;
}

void check(const Config& config, const net::NetNs& container, const net::Link& child) {
  if (config.name.empty()) return;
  auto netlink = netlink_of(config, container);
  const auto master = find(config, netlink, Code::kInternal);
  // The kernel puts a macvlan or ipvlan on a link of the same kind beside it instead.
  const int parent = master.kind == child.kind && child.kind != "vlan" ? master.parent : master.index;
  const bool is_elsewhere = child.parent_netns_id.has_value();
  if (child.parent == parent && is_elsewhere != config.in_container) return;
  throw Error(Code::kInternal, "interface " + child.name + " is not on " + describe(config));
}

void status(const Config& config) {
  if (config.in_container) return;
  auto host = net::Netlink::here();
  find(config, host, Code::kNotAvailable);
}

}  // namespace berth::cni::master
