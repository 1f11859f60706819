#include "net/lent_device.h"

#include <linux/rtnetlink.h>

#include <cerrno>

#include "base/error.h"

namespace berth::net {

namespace {

/// The kernel makes its own routes anew, and routers advertise theirs again.
bool is_somebodys_wish(const LinkRoute& route) {
  return route.protocol != RTPROT_KERNEL && route.protocol != RTPROT_RA;
}

std::vector<LinkRoute> routes_through(Netlink& host, int device) {
  std::vector<LinkRoute> on_link;
  std::vector<LinkRoute> by_gateway;
  for (const auto family : {Family::kIpv4, Family::kIpv6}) {
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

LentDevice::LentDevice(Netlink& host, Link link) : host_(host), home_(NetNs::current()), link_(std::move(link)) {
  for (const auto& address : host_.addresses(link_.index)) {
    const bool is_kernels = !address.address.is_v4() && address.address.address.is_link_local_unicast();
    if (!is_kernels) addresses_.push_back(address);
  }
  routes_ = routes_through(host_, link_.index);
}

void LentDevice::lend(const NetNs& container, const std::string& name, const std::string& alias) {
  lent_name_ = name;
  lent_alias_ = alias;
  host_.move_link(link_.index, container, name, alias);
}

/// A move that failed half-way left it under its old name.
std::optional<Link> LentDevice::find_in(Netlink& container) const {
  for (const auto& name : {lent_name_, link_.name}) {
    auto found = container.find_link(name);
    if (found && found->kind == link_.kind && found->mac == link_.mac &&
        (found->alias == lent_alias_ || name == link_.name)) {
      return found;
    }
  }
  return std::nullopt;
}

void LentDevice::restore(const NetNs& container) {
  const auto here = host_.find_link(link_.index);
  if (here && here->name == link_.name) return;  // it has never left
  auto there = Netlink::in(container);
  const auto lent = find_in(there);
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

}  // namespace berth::net
