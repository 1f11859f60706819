#include "vrf/vrf.h"

#include <algorithm>

#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "net/netlink.h"
#include "vrf/config.h"
#include "vrf/enslave.h"

namespace berth::vrf {

namespace {

using cni::Code;
using cni::Error;
using cni::Request;
using cni::Result;
using net::Netlink;
namespace interface = cni::interface;

constexpr uint32_t kFirstTable = 1;

void require_vrf(const net::Link& link, const Config& config) {
  if (link.kind != "vrf") throw Error(Code::kInternal, "\"" + link.name + "\" already exists but is not a VRF");
  if (config.table == 0 || config.table == link.vrf_table) return;
  throw Error(Code::kInternal,
              "VRF " + link.name + " already exist with different routing table " + std::to_string(link.vrf_table),
              "table is " + std::to_string(config.table));
}

/// The VRF's name for DEL; empty if ADD has refused the configuration, and made nothing.
std::string name_of_vrf(const Request& request) {
  try {
    return Config::parse(request).name;
  } catch (const Error&) {
    return "";
  } catch (const base::JsonError&) {
    return "";
  }
}

/// The VRF as configured: found, or made.
net::Link ensure_vrf(Netlink& container, const Config& config, base::Rollback& rollback) {
  if (const auto present = container.find_link(config.name)) {
    require_vrf(*present, config);
    if (present->is_up()) return *present;
    rollback.add("set down " + present->name, [&container, index = present->index] { container.set_down(index); });
    container.set_up(present->index);
    return *present;
  }
  container.create_vrf(config.name, config.table != 0 ? config.table : container.free_table(kFirstTable));
  rollback.add("delete VRF " + config.name, [&container, name = config.name] { container.delete_link(name); });
  return container.link(config.name);
}

}  // namespace

const std::vector<std::string>& VrfPlugin::versions() const {
  static const std::vector<std::string> versions{"0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return versions;
}

Result VrfPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  const auto& previous = interface::required_previous(request);
  const auto netns = interface::open_netns(request);

  const auto lock = interface::lock(netns);
  auto container = Netlink::in(netns);
  const auto link = container.link(request.ifname());
  if (link.master != 0) {
    throw Error(Code::kInternal,
                "interface " + link.name + " already has a master: " + container.link(link.master).name);
  }
  base::Rollback rollback;
  const auto vrf = ensure_vrf(container, config, rollback);
  cni::throw_if_interrupted();
  enslave(container, link, vrf, rollback);
  cni::throw_if_interrupted();
  rollback.dismiss();
  return previous;
}

void VrfPlugin::del(const Request& request) {
  const auto name = name_of_vrf(request);
  const auto netns = name.empty() ? std::nullopt : interface::find_netns(request);
  if (!netns) return;
  const auto lock = interface::lock(*netns);
  auto container = Netlink::in(*netns);
  const auto vrf = container.find_link(name);
  if (!vrf || vrf->kind != "vrf") return;
  const auto link = container.find_link(request.ifname());
  if (link && link->master == vrf->index) container.set_master(link->index, 0);
  if (container.ports(vrf->index).empty()) container.delete_link(vrf->index);
}

void VrfPlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  const auto& previous = interface::required_previous(request);
  auto container = Netlink::in(interface::open_netns(request));
  const auto link = container.link(request.ifname());
  const auto vrf = container.link(config.name);
  require_vrf(vrf, config);
  if (!vrf.is_up()) throw Error(Code::kInternal, "VRF " + vrf.name + " is down");
  if (link.master != vrf.index) {
    throw Error(Code::kInternal, "interface " + link.name + " does not belong to VRF " + vrf.name);
  }
  const auto addresses = container.addresses(link.index);
  for (const auto& ip : interface::ips_of(previous, request.ifname())) {
    const bool is_there = std::any_of(addresses.begin(), addresses.end(),
                                      [&](const net::LinkAddress& address) { return address.address == ip.address; });
    if (is_there) continue;
    throw Error(Code::kInternal, "expected address " + ip.address.to_string() + " not found on " + link.name);
  }
}

void VrfPlugin::status(const Request& request) {
  Config::parse(request);
}

}  // namespace berth::vrf
