#include "bridge/host_side.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/veth.h"
#include "net/wait.h"

namespace berth::bridge {

namespace {

using base::SystemError;
using cni::Code;
using cni::Error;
using net::Link;

constexpr int kAttempts = 10;
constexpr std::chrono::milliseconds kPortTimeout{2500};

}  // namespace

void HostSide::attach(const net::NetNs& container, const cni::Request& request, base::Rollback& rollback) {
  for (int attempt = 1;; ++attempt) {
    try {
      ensure_bridge(rollback);
      create_port(container, request, rollback);
      break;
    } catch (const SystemError& error) {
      // A concurrent ADD that failed may delete the bridge it made between our finding it and our joining it.
      const bool may_have_lost_the_bridge = error.code() == ENODEV || error.code() == EINVAL;
      if (attempt == kAttempts || !may_have_lost_the_bridge || has_bridge()) throw;
    }
  }
  configure_port();
}

bool HostSide::has_bridge() {
  const auto found = netlink_.find_link(config_.bridge);
  return found && found->index == bridge_.index;
}

void HostSide::detach() {
  netlink_.delete_link(port_);
}

std::optional<Link> HostSide::find_bridge() {
  auto found = netlink_.find_link(config_.bridge);
  if (!found || found->kind == "bridge") return found;
  throw Error(Code::kInvalidNetworkConfig, "\"" + config_.bridge + "\" already exists but is not a bridge");
}

void HostSide::ensure_bridge(base::Rollback& rollback) {
  auto found = found_at_first_ ? std::exchange(found_at_first_, std::nullopt) : find_bridge();
  const bool created = !found;
  if (created) {
    create_bridge_unless_there();
    found = find_bridge();
    if (!found) throw SystemError("find link " + config_.bridge, ENODEV);
  }
  bridge_ = *std::move(found);
  rollback.add("restore bridge " + bridge_.name,
               [this, created, before = bridge_] { restore_bridge(created, before); });
  cni::interface::ignore_router_advertisements(bridge_.name);
  netlink_.together([&] {
    if (config_.promiscuous && !bridge_.is_promiscuous()) netlink_.set_promiscuous(bridge_.index, true);
    if (!bridge_.is_up()) netlink_.set_up(bridge_.index);
  });
}

void HostSide::create_bridge_unless_there() {
  try {
    netlink_.create_bridge(config_.bridge, config_.mtu, config_.vlan_filtering);
  } catch (const SystemError& error) {
    if (error.code() != EEXIST) throw;
  }
}

void HostSide::restore_bridge(bool created, const Link& before) {
  const auto now = netlink_.find_link(before.index);
  if (!now || is_shared()) return;
  if (created) {
    netlink_.delete_link(before.index);
    return;
  }
  // A bridge takes the hardware address of its lowest port, and none when the last one goes.
  if (now->mac != before.mac && !before.mac.is_zero()) netlink_.set_mac(before.index, before.mac);
  if (now->is_promiscuous() && !before.is_promiscuous()) netlink_.set_promiscuous(before.index, false);
  if (!before.is_up()) netlink_.set_down(before.index);
}

/// Somebody else has a port on the bridge.
bool HostSide::is_shared() {
  const auto ports = netlink_.ports(bridge_.index);
  return std::any_of(ports.begin(), ports.end(), [&](const Link& port) {
    return std::find(own_ports_.begin(), own_ports_.end(), port.name) == own_ports_.end();
  });
}

void HostSide::create_port(const net::NetNs& container, const cni::Request& request, base::Rollback& rollback) {
  net::VethPair pair;
  pair.near.master = bridge_.index;
  pair.far.mac = config_.mac;
  pair.mtu = config_.mtu;
  port_ = cni::veth::create(netlink_, container, request, pair);
  own_ports_.push_back(port_);
  rollback.add("delete link " + port_, [this] { detach(); });
}

void HostSide::configure_port() {
  const bool sets_vlans = config_.vlan != 0 || !config_.trunk.empty();
  if (!config_.hairpin && !config_.port_isolation && !sets_vlans) return;
  const int port = netlink_.link(port_).index;
  netlink_.together([&] {
    if (config_.hairpin) netlink_.set_hairpin(port, true);
    if (config_.port_isolation) netlink_.set_isolated(port, true);
  });
  if (sets_vlans) set_vlans(port, config_.trunk);
}

void HostSide::set_vlans(int port, const std::vector<net::BridgeVlan>& trunk) {
  const auto defaults = config_.preserve_default_vlan ? std::vector<net::BridgeVlan>{} : netlink_.port_vlans(port);
  // Untagged packets need a home: the attachment's VLAN, or the default one beside a trunk alone.
  const auto native = static_cast<uint16_t>(config_.vlan != 0 ? config_.vlan : 1);
  netlink_.together([&] {
    for (const auto& old : defaults) netlink_.delete_port_vlan(port, {old.first, old.last, false, false});
    for (const auto& tagged : trunk) netlink_.add_port_vlan(port, tagged);
    netlink_.add_port_vlan(port, {native, native, true, true});
  });
}

void HostSide::wait_for_port() {
  // Asking for a link makes the kernel finish pending work on its carrier, so that the answer is yes at once; older
  // kernels take a moment.
  port_as_found_ = netlink_.link(port_);
  if (port_as_found_->is_operational() || net::wait_until_operational(port_as_found_->index, kPortTimeout)) return;
  throw Error(Code::kInternal, "bridge port in error state: " + port_ + " of " + bridge_.name +
                                   " cannot carry packets (operational state " +
                                   std::to_string(netlink_.link(port_).operational_state) + ")");
}

std::vector<cni::Interface> HostSide::interfaces(const std::string& version) {
  std::vector<cni::Interface> interfaces;
  const auto add = [&](const Link& link) { interfaces.push_back(cni::interface::describe(link, "", version)); };
  add(netlink_.link(bridge_.index));
  add(port_as_found_ ? *port_as_found_ : netlink_.link(port_));
  if (has_vlan_interface_) add(netlink_.link(config_.vlan_interface()));
  return interfaces;
}

}  // namespace berth::bridge
