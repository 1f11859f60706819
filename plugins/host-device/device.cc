#include "host-device/device.h"

#include <linux/rtnetlink.h>

#include <cerrno>

#include "base/error.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"

namespace berth::host_device {

namespace {

/// The kernel makes its own routes anew, and routers advertise theirs again.
bool is_somebodys_wish(const net::LinkRoute& route) {
  return route.protocol != RTPROT_KERNEL && route.protocol != RTPROT_RA;
}

std::vector<net::LinkRoute> routes_through(net::Netlink& host, int device) {
  std::vector<net::LinkRoute> on_link;
  std::vector<net::LinkRoute> by_gateway;
  for (const auto family : {net::Family::kIpv4, net::Family::kIpv6}) {
    for (const auto& route : host.routes(family, device)) {
      if (is_somebodys_wish(route)) (route.gw ? by_gateway : on_link).push_back(route);
    }
  }
  // A gateway must be reachable when a route by it is added.
  on_link.insert(on_link.end(), by_gateway.begin(), by_gateway.end());
  return on_link;
}

template <class Step>
void unless_there(Step&& step) {
  try {
    step();
  } catch (const base::SystemError& error) {
    if (error.code() != EEXIST) throw;
  }
}

}  // namespace

LentDevice::LentDevice(net::Netlink& host, net::Link link)
    : host_(host), home_(net::NetNs::current()), link_(std::move(link)) {
  for (const auto& address : host_.addresses(link_.index)) {
    const bool is_kernels = !address.address.is_v4() && address.address.address.is_link_local_unicast();
    if (!is_kernels) addresses_.push_back(address);
  }
  routes_ = routes_through(host_, link_.index);
}

void LentDevice::lend(const net::NetNs& container, const std::string& ifname) {
  auto in_container = net::Netlink::in(container);
  cni::interface::require_free_name(in_container, ifname, container);
  host_.move_link(link_.index, container, ifname, link_.name);
}

/// A move that failed half-way left it under its old name.
std::optional<net::Link> LentDevice::find_in(net::Netlink& container, const std::string& ifname) const {
  for (const auto& name : {ifname, link_.name}) {
    auto found = container.find_link(name);
    if (found && found->kind == link_.kind && found->mac == link_.mac &&
        (found->alias == link_.name || name == link_.name)) {
      return found;
    }
  }
  return std::nullopt;
}

void LentDevice::restore(const net::NetNs& container, const std::string& ifname) {
  const auto here = host_.find_link(link_.index);
  if (here && here->name == link_.name) return;  // it has never left
  auto there = net::Netlink::in(container);
  const auto lent = find_in(there, ifname);
  if (!lent) return;
  there.move_link(lent->index, home_, link_.name, link_.alias);
  restore_settings(host_.link(link_.name).index);
}

void LentDevice::restore_settings(int index) {
  if (link_.master != 0) host_.set_master(index, link_.master);
  if (link_.is_up()) host_.set_up(index);
  for (const auto& address : addresses_) {
    unless_there([&] { host_.add_address(index, {address.address, true, address.scope}); });
  }
  for (auto route : routes_) {
    route.device = index;
    unless_there([&] { host_.add_route(route); });
  }
}

void give_back(net::Netlink& container, const net::Link& link, const std::string& name) {
  if (net::Netlink::here().find_link(name)) {
    throw cni::Error(cni::Code::kInternal,
                     "cannot give back " + link.name + " as " + name + ": the host has another interface of that name");
  }
  container.move_link(link.index, net::NetNs::current(), name, "");
}

}  // namespace berth::host_device
