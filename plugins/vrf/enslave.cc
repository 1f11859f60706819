#include "vrf/enslave.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <exception>

namespace berth::vrf {

namespace {

using net::Family;
using net::LinkRoute;
using net::Netlink;

/// What the kernel forgets when a link goes down.
struct Memory {
  std::vector<net::LinkAddress> addresses;  ///< Global IPv6 ones.
  std::vector<LinkRoute> routes;  ///< In an order in which they can be added: to gateways before through them.
};

/// The kernel makes a link's subnets again by itself.
bool is_kernels_own(const LinkRoute& route) {
  return route.table == RT_TABLE_LOCAL || route.protocol == RTPROT_KERNEL ||
         route.dst.address.is_link_local_unicast() || route.dst.address.is_multicast();
}

Memory remember(Netlink& container, const net::Link& link) {
  Memory memory;
  memory.addresses = container.addresses(link.index, Family::kIpv6);
  std::erase_if(memory.addresses,
                [](const net::LinkAddress& address) { return address.address.address.is_link_local_unicast(); });
  for (const auto family : {Family::kIpv4, Family::kIpv6}) {
    for (const auto& route : container.routes_of_all_tables(family, link.index)) {
      if (!is_kernels_own(route)) memory.routes.push_back(route);
    }
  }
  std::stable_partition(memory.routes.begin(), memory.routes.end(), [](const LinkRoute& route) { return !route.gw; });
  return memory;
}

/// Tries everything, and throws the first failure.
class Attempts {
 public:
  template <class Step>
  void attempt(Step&& step) {
    try {
      step();
    } catch (...) {
      if (!first_) first_ = std::current_exception();
    }
  }
  void finish() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

void restore(Netlink& container, const net::Link& link, const Memory& memory) {
  Attempts attempts;
  const auto addresses = container.addresses(link.index, Family::kIpv6);
  for (const auto& known : memory.addresses) {
    const bool is_there = std::any_of(addresses.begin(), addresses.end(),
                                      [&](const net::LinkAddress& other) { return other.address == known.address; });
    if (is_there) continue;
    // It was in use already: no need to look for duplicates again.
    attempts.attempt([&] { container.add_address(link.index, {known.address, true, known.scope}); });
  }
  for (const auto& route : memory.routes) {
    const auto present = container.routes(route.dst.address.family(), link.index, route.table);
    if (std::find(present.begin(), present.end(), route) != present.end()) continue;
    attempts.attempt([&] { container.add_route(route); });
  }
  attempts.finish();
}

}  // namespace

void enslave(Netlink& container, const net::Link& link, const net::Link& vrf, base::Rollback& rollback) {
  const auto before = remember(container, link);
  auto after = before;
  for (auto& route : after.routes) {
    if (route.table == RT_TABLE_MAIN) route.table = vrf.vrf_table;
  }
  rollback.add("take " + link.name + " out of " + vrf.name, [&container, link, before] {
    container.set_master(link.index, 0);
    restore(container, link, before);
  });
  container.set_master(link.index, vrf.index);
  restore(container, link, after);
}

}  // namespace berth::vrf
