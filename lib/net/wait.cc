#include "net/wait.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

/// Asks `is_reached` now and after each event of the groups, until it says yes or the time is over.
bool wait_until(std::initializer_list<int> groups, std::chrono::milliseconds timeout,
                const std::function<bool(Netlink&)>& is_reached) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  Connection events(groups);  // before the first question, so that no change is missed
  auto netlink = Netlink::here();
  while (!is_reached(netlink)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    events.wait_for_event(left);
  }
  return true;
}

bool has_finished_dad(Netlink& netlink, int index) {
  const auto addresses = netlink.addresses(index, Family::kIpv6);
  for (const auto& address : addresses) {
    if (address.is_duplicate()) {
      throw std::runtime_error("address " + address.address.to_string() + " is in use by another host (duplicate)");
    }
  }
  return std::none_of(addresses.begin(), addresses.end(), [](const auto& address) { return address.is_tentative(); });
}

}  // namespace

bool wait_until_operational(int index, std::chrono::milliseconds timeout) {
  return wait_until({RTNLGRP_LINK}, timeout, [&](Netlink& netlink) { return netlink.link(index).is_operational(); });
}

bool wait_for_dad(int index, std::chrono::milliseconds timeout) {
  return wait_until({RTNLGRP_IPV6_IFADDR}, timeout, [&](Netlink& netlink) { return has_finished_dad(netlink, index); });
}

}  // namespace berth::net
