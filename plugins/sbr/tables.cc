#include "sbr/tables.h"

#include <linux/rtnetlink.h>

#include <algorithm>

namespace berth::sbr {

namespace {

// What the kernel gives routes to gateways and to subnets by itself (IP6_RT_PRIO_USER, IP6_RT_PRIO_ADDRCONF).
constexpr unsigned kIpv6Priority = 1024;
constexpr unsigned kIpv6SubnetPriority = 256;

bool concerns(const cni::IpConfig& ip, const net::LinkRoute& route) {
  if (route.dst.address.family() != ip.address.address.family()) return false;
  if (!route.source && !route.gw) return true;
  return (route.source && ip.address.contains(*route.source)) || (route.gw && ip.address.contains(*route.gw));
}

bool is_default(const net::LinkRoute& route) {
  return route.dst.prefix == 0;
}

net::LinkRoute default_route(const net::IpAddress& gateway, const net::Link& link, uint32_t table) {
  net::LinkRoute route;
  route.dst = {net::IpAddress::any(gateway.family()), 0};
  route.gw = gateway;
  route.device = link.index;
  route.table = table;
  route.priority = gateway.is_v4() ? 0 : kIpv6Priority;
  return route;
}

bool has_same_way(const net::LinkRoute& a, const net::LinkRoute& b) {
  return a.dst == b.dst && a.gw == b.gw && a.priority == b.priority;
}

}  // namespace

std::optional<net::IpAddress> gateway_of(const cni::IpConfig& ip, const Config& config) {
  const auto configured = config.gateway(ip.address.address.family());
  return configured ? configured : ip.gateway;
}

std::vector<net::LinkRoute> routes_of_table(const cni::IpConfig& ip, const net::Link& link,
                                            const std::vector<net::LinkRoute>& main_routes, uint32_t table,
                                            const Config& config) {
  const bool is_overridden = config.gateway(ip.address.address.family()).has_value();
  std::vector<net::LinkRoute> routes;
  if (const auto gateway = gateway_of(ip, config)) routes.push_back(default_route(*gateway, link, table));
  for (auto route : main_routes) {
    if (!concerns(ip, route) || (is_overridden && is_default(route))) continue;
    route.table = table;
    const bool is_there = std::any_of(routes.begin(), routes.end(),
                                      [&](const net::LinkRoute& other) { return has_same_way(route, other); });
    if (!is_there) routes.push_back(route);
  }
  std::stable_partition(routes.begin(), routes.end(), [](const net::LinkRoute& route) { return !route.gw; });
  return routes;
}

std::vector<net::LinkRoute> source_hints(const std::vector<cni::IpConfig>& ips, const net::Link& link) {
  std::vector<net::LinkRoute> hints;
  for (const auto& ip : ips) {
    net::LinkRoute hint;
    hint.dst = ip.address.network();
    hint.device = link.index;
    hint.source = ip.address.address;
    hint.scope = ip.address.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    hint.priority = ip.address.is_v4() ? 0 : kIpv6SubnetPriority;
    hint.protocol = RTPROT_KERNEL;
    const bool is_new =
        std::none_of(hints.begin(), hints.end(), [&](const auto& other) { return other.dst == hint.dst; });
    if (is_new && ip.address.prefix < ip.address.address.bits()) hints.push_back(hint);
  }
  return hints;
}

std::vector<net::LinkRoute> routes_to_move(const std::vector<cni::IpConfig>& ips,
                                           const std::vector<net::LinkRoute>& main_routes) {
  auto moved = main_routes;
  std::erase_if(moved, [&](const net::LinkRoute& route) {
    return route.dst.address.is_link_local_unicast() ||
           std::none_of(ips.begin(), ips.end(), [&](const cni::IpConfig& ip) { return concerns(ip, route); });
  });
  return moved;
}

}  // namespace berth::sbr
