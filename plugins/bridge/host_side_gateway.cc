#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "bridge/host_side.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"

namespace berth::bridge {

using base::SystemError;
using net::Link;

void HostSide::serve_as_gateway(const std::vector<cni::IpConfig>& ips, base::Rollback& rollback) {
  std::vector<net::IpNet> gateways;
  for (const auto& ip : ips) {
    if (ip.gateway) gateways.push_back({*ip.gateway, ip.address.prefix});
  }
  if (gateways.empty()) return;
  has_vlan_interface_ = config_.vlan != 0;
  const auto link = has_vlan_interface_ ? ensure_vlan_interface(rollback) : bridge_;
  for (const auto& gateway : gateways) ensure_address(link, gateway, gateways, rollback);
}

Link HostSide::ensure_vlan_interface(base::Rollback& rollback) {
  const auto name = config_.vlan_interface();
  if (auto found = netlink_.find_link(name)) return *std::move(found);
  net::VethPair pair;
  pair.near.name = net::random_veth_name();
  pair.near.master = bridge_.index;
  pair.near_up = true;
  pair.far.name = name;
  pair.mtu = bridge_.mtu;
  try {
    netlink_.create_veth(pair);
  } catch (const SystemError& error) {
    auto found = netlink_.find_link(name);
    if (error.code() == EEXIST && found) return *std::move(found);  // a concurrent ADD was quicker
    throw;
  }
  own_ports_.push_back(pair.near.name);
  rollback.add("delete link " + name, [this, name] {
    if (!is_shared()) netlink_.delete_link(name);
  });
  for (const auto& end : {name, pair.near.name}) cni::interface::ignore_router_advertisements(end);
  set_vlans(netlink_.link(pair.near.name).index, {});
  const auto link = netlink_.link(name);
  netlink_.set_up(link.index);
  return link;
}

void HostSide::ensure_address(const Link& link, const net::IpNet& gateway, const std::vector<net::IpNet>& wanted,
                              base::Rollback& rollback) {
  const auto present = netlink_.addresses(link.index, gateway.address.family());
  const auto is_present = [&](const net::LinkAddress& address) { return address.address == gateway; };
  if (std::any_of(present.begin(), present.end(), is_present)) return;
  for (const auto& other : present) {
    const bool is_wanted = std::find(wanted.begin(), wanted.end(), other.address) != wanted.end();
    const bool conflicts = gateway.is_v4() || gateway.overlaps(other.address);
    if (is_wanted || !conflicts) continue;
    if (!config_.force_address) {
      throw cni::Error(cni::Code::kInvalidNetworkConfig,
                       "\"" + link.name + "\" already has an IP address different from " + gateway.to_string(),
                       "it has " + other.address.to_string());
    }
    remove_address(link, other, rollback);
  }
  add_gateway(link, gateway, rollback);
}

void HostSide::remove_address(const Link& link, const net::LinkAddress& address, base::Rollback& rollback) {
  if (!netlink_.delete_address(link.index, address.address)) return;
  rollback.add("add address " + address.address.to_string() + " to " + link.name, [this, index = link.index, address] {
    netlink_.add_address(index, {address.address, true, address.scope});
  });
}

void HostSide::add_gateway(const Link& link, const net::IpNet& gateway, base::Rollback& rollback) {
  try {
    netlink_.add_address(link.index, {gateway, true, 0});
  } catch (const SystemError& error) {
    if (error.code() == EEXIST) return;  // a concurrent ADD was quicker
    throw;
  }
  rollback.add("delete address " + gateway.to_string() + " of " + link.name, [this, index = link.index, gateway] {
    if (!is_shared()) netlink_.delete_address(index, gateway);
  });
  // Setting the hardware address keeps it from following the lowest port from now on: the gateway's neighbours
  // remember it. It stays what it was before this attachment's port came: that one goes with its container.
  netlink_.set_mac(link.index, link.mac.is_zero() ? netlink_.link(link.index).mac : link.mac);
}

}  // namespace berth::bridge
