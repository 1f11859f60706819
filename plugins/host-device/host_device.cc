#include "host-device/host_device.h"

#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/attachment.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "host-device/config.h"
#include "net/lent_device.h"
#include "net/netlink.h"

namespace berth::host_device {

namespace {

using cni::Code;
using cni::Request;
using cni::Result;
namespace attachment = cni::attachment;
namespace interface = cni::interface;

/// With its old name as alias: DEL finds its way back by that.
void lend(net::LentDevice& device, const net::NetNs& container, const std::string& ifname) {
  auto in_container = net::Netlink::in(container);
  interface::require_free_name(in_container, ifname, container);
  device.lend(container, ifname, device.link().name);
}

/// A program drives the device itself: nothing is moved, and the addresses are for that program.
Result add_addresses_alone(const Request& request, const Config& config) {
  if (!config.has_ipam) return {};
  base::Rollback rollback;
  auto result = attachment::lease(request, rollback, [] {});
  for (auto& ip : result.ips) ip.interface.reset();
  if (auto dns = interface::configured_dns(request)) result.dns = *std::move(dns);
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

}  // namespace

Result HostDevicePlugin::add(const Request& request) {
  const net::Sysfs sysfs;
  const auto config = Config::parse(request, sysfs);
  if (!config.has_ipam) Result().require_expressible_in(request.version());
  const auto netns = interface::open_netns(request);
  if (config.in_user_space) return add_addresses_alone(request, config);

  auto host = net::Netlink::here();
  net::LentDevice device(host, config.find(host, sysfs));
  const auto restore = [&] { device.restore(netns); };
  base::Rollback rollback;
  rollback.add("give back " + request.ifname(), restore);
  lend(device, netns, request.ifname());
  cni::throw_if_interrupted();
  Result result;
  if (config.has_ipam) {
    result = attachment::lease(request, rollback, restore);
    cni::throw_if_interrupted();
  }
  result = attachment::complete(request, netns, std::move(result));
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

namespace {

/// The configuration's `device`; DEL must do without, and with one that is wrong.
std::string configured_device(const Request& request) {
  try {
    return base::JsonObject(request.config()).string("device").value_or("");
  } catch (const base::JsonError&) {
    return "";
  }
}

/// ADD says that it moved an interface with this hardware address.
bool is_recorded(const Request& request, const net::MacAddress& mac) {
  if (!request.previous()) return false;
  for (const auto& recorded : request.previous()->interfaces) {
    if (recorded.name == request.ifname() && !recorded.sandbox.empty() && recorded.mac == mac.to_string()) return true;
  }
  return false;
}

/// What the host called the interface; nullopt if it is not one that ADD moved, but what made it fail.
std::optional<std::string> original_name(const Request& request, const net::Link& link) {
  const auto device = configured_device(request);
  if (!link.alias.empty()) {
    if (!device.empty() && device != link.alias) return std::nullopt;
    return link.alias;
  }
  if (!is_recorded(request, link.mac)) return std::nullopt;
  if (!device.empty()) return device;
  throw cni::Error(Code::kInternal, "failed to find original ifname for \"" + link.name + "\" (alias is not set)");
}

/// Down and without alias, under the name `name`. `there` is where it is: in the container, or on the host already.
void give_back(net::Netlink& there, const net::Link& link, const std::string& name) {
  if (net::Netlink::here().find_link(name)) {
    throw cni::Error(Code::kInternal,
                     "cannot give back " + link.name + " as " + name + ": the host has another interface of that name");
  }
  there.move_link(link.index, net::NetNs::current(), name, "");
}

/// If the namespace is gone, the kernel has given hardware back by itself (and deleted everything else): with its
/// alias, and whatever name was free.
void rename_returned(const Request& request) {
  if (!request.previous()) return;
  auto host = net::Netlink::here();
  for (const auto& link : host.links()) {
    const bool is_hardware = link.kind.empty() && link.name != "lo";
    if (!is_hardware || link.alias.empty() || !is_recorded(request, link.mac)) continue;
    const auto name = original_name(request, link);
    if (!name) continue;
    if (*name == link.name) {
      host.set_alias(link.name, "");
    } else {
      give_back(host, link, *name);
    }
  }
}

void return_device(const Request& request) {
  const auto netns = interface::find_netns(request);
  if (!netns) return rename_returned(request);
  auto container = net::Netlink::in(*netns);
  const auto link = container.find_link(request.ifname());
  if (!link) return;
  if (const auto name = original_name(request, *link)) give_back(container, *link, *name);
}

}  // namespace

void HostDevicePlugin::del(const Request& request) {
  cni::ipam::del_with(request, [&](base::BestEffort& cleanup) {
    cleanup.attempt("give back " + request.ifname(), [&] { return_device(request); });
  });
}

void HostDevicePlugin::check(const Request& request) {
  const auto config = Config::parse(request, net::Sysfs());
  if (config.in_user_space) {
    interface::required_previous(request);
    if (config.has_ipam) cni::ipam::check(request);
    return;
  }
  const auto link = attachment::check(request, interface::open_netns(request), attachment::kAnyKind, 0);
  if (!config.device.empty() && link.alias != config.device) {
    throw cni::Error(Code::kInternal, "interface " + link.name + " is not device " + config.device);
  }
}

void HostDevicePlugin::gc(const Request& request) {
  attachment::gc(request);
}

void HostDevicePlugin::status(const Request& request) {
  attachment::status(request);
}

}  // namespace berth::host_device
