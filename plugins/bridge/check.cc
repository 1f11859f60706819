#include <algorithm>

#include "bridge/bridge.h"
#include "bridge/config.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/firewall/attachment.h"
#include "cni/plugin/firewall/masquerade.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/veth.h"
#include "firewall/spoof_check.h"
#include "net/netlink.h"

namespace berth::bridge {

namespace {

using cni::Request;
using cni::Result;
using net::Link;
using net::Netlink;
namespace interface = cni::interface;

[[noreturn]] void fail(const std::string& message) {
  throw cni::Error(cni::Code::kInternal, message);
}

Link check_bridge(Netlink& host, const Config& config, const Result& previous) {
  const auto bridge = host.find_link(config.bridge);
  if (!bridge) fail("bridge " + config.bridge + " does not exist");
  if (bridge->kind != "bridge") fail("\"" + config.bridge + "\" already exists but is not a bridge");
  if (!bridge->is_up()) fail("bridge " + config.bridge + " is down");
  const auto mac_before = interface::recorded(previous, config.bridge, "").mac;
  // Where it does not have the gateway address itself, its hardware address follows its lowest port.
  if (config.is_gateway && config.has_ipam && config.vlan == 0) interface::require_mac(*bridge, mac_before);
  if (bridge->is_promiscuous() != config.promiscuous) {
    fail("bridge " + config.bridge + " has promiscuous mode " + (config.promiscuous ? "off" : "on") +
         ", promiscMode says otherwise");
  }
  return *bridge;
}

Link check_container(Netlink& container, const Request& request, const Config& config, const Result& previous) {
  const auto link = container.find_link(request.ifname());
  if (!link) fail("interface " + request.ifname() + " does not exist in " + request.netns());
  if (link->kind != "veth") fail("interface " + link->name + " in " + request.netns() + " is not a veth");
  interface::require_mac(*link, interface::recorded(previous, request.ifname(), request.netns()).mac);
  if (!link->is_up() && !config.disable_container_interface) fail("interface " + link->name + " is down");
  interface::check(container, *link, previous);
  return *link;
}

Link check_port(Netlink& host, const Link& bridge, const Link& container, const Config& config,
                const Result& previous) {
  auto port = cni::veth::check_host_end(host, container, previous);
  if (port.master != bridge.index || !port.port) fail(port.name + " is not a port of bridge " + bridge.name);
  if (port.port->hairpin != config.hairpin) fail("hairpin mode of " + port.name + " is not as hairpinMode says");
  if (port.port->isolated != config.port_isolation) fail("isolation of " + port.name + " is not as portIsolation says");
  return port;
}

bool covers(const std::vector<net::BridgeVlan>& present, const net::BridgeVlan& wanted) {
  return std::any_of(present.begin(), present.end(), [&](const net::BridgeVlan& vlan) {
    return vlan.first <= wanted.first && wanted.last <= vlan.last && vlan.pvid >= wanted.pvid &&
           vlan.untagged >= wanted.untagged;
  });
}

void check_vlans(Netlink& host, const Link& port, const Config& config) {
  if (config.vlan == 0 && config.trunk.empty()) return;
  const auto native = static_cast<uint16_t>(config.vlan != 0 ? config.vlan : 1);
  const auto present = host.port_vlans(port.index);
  if (!covers(present, {native, native, true, true})) {
    fail("VLAN " + std::to_string(native) + " is not the untagged one of " + port.name);
  }
  for (const auto& range : config.trunk) {
    for (uint16_t id = range.first; id <= range.last; ++id) {
      if (!covers(present, {id, id, false, false})) fail("VLAN " + std::to_string(id) + " is missing on " + port.name);
    }
  }
}

void check_gateway(Netlink& host, const Config& config, const Result& previous) {
  if (!config.is_gateway || !config.has_ipam) return;
  const auto link = host.link(config.vlan != 0 ? config.vlan_interface() : config.bridge);
  const auto present = host.addresses(link.index);
  for (const auto& ip : previous.ips) {
    if (!ip.gateway) continue;
    const net::IpNet gateway{*ip.gateway, ip.address.prefix};
    const bool found = std::any_of(present.begin(), present.end(),
                                   [&](const net::LinkAddress& address) { return address.address == gateway; });
    if (!found) fail("gateway address " + gateway.to_string() + " not found on " + link.name);
  }
}

}  // namespace

void BridgePlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  const auto& previous = interface::required_previous(request);
  if (config.has_ipam) cni::ipam::check(request);

  auto host = Netlink::here();
  auto container = Netlink::in(interface::open_netns(request));
  const auto bridge = check_bridge(host, config, previous);
  const auto link = check_container(container, request, config, previous);
  const auto port = check_port(host, bridge, link, config, previous);
  check_vlans(host, port, config);
  check_gateway(host, config, previous);
  if (config.spoof_check && !firewall::SpoofCheck::is_intact(cni::owner_of(request), port.name, link.mac)) {
    fail("the check for spoofed addresses of " + port.name + " is missing or changed");
  }
  cni::Masquerade::check(request, interface::addresses_of(previous));
}

}  // namespace berth::bridge
