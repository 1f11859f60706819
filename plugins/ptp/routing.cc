#include "ptp/routing.h"

#include <linux/rtnetlink.h>

#include <algorithm>

namespace berth::ptp {

namespace {

using cni::IpConfig;
using net::LinkRoute;

/// What the kernel gives IPv6 prefix routes (IP6_RT_PRIO_ADDRCONF, include/net/ip6_route.h); a route with the default
/// metric is somebody's wish.
constexpr unsigned kKernelMetric = 256;

bool has_subnet(const IpConfig& ip) {
  return ip.address.prefix < ip.address.address.bits();
}

/// Several addresses may share a subnet and its gateway: the first one's route serves them all.
void add_once(std::vector<LinkRoute>& routes, const LinkRoute& route) {
  const bool is_there = std::any_of(routes.begin(), routes.end(), [&](const LinkRoute& other) {
    return other.dst == route.dst && other.gw == route.gw;
  });
  if (!is_there) routes.push_back(route);
}

}  // namespace

std::vector<net::IpNet> host_addresses(const cni::Result& result) {
  std::vector<net::IpNet> addresses;
  for (const auto& ip : result.ips) {
    const auto gateway = net::IpNet::host(*ip.gateway);
    if (std::find(addresses.begin(), addresses.end(), gateway) == addresses.end()) addresses.push_back(gateway);
  }
  return addresses;
}

std::vector<LinkRoute> host_routes(const cni::Result& result, int device) {
  std::vector<LinkRoute> routes;
  for (const auto& ip : result.ips) {
    LinkRoute route;
    route.dst = net::IpNet::host(ip.address.address);
    route.device = device;
    route.scope = RT_SCOPE_HOST;
    add_once(routes, route);
  }
  return routes;
}

std::vector<LinkRoute> gateway_routes(const cni::Result& result, int device) {
  std::vector<LinkRoute> routes;
  for (const auto& ip : result.ips) {
    LinkRoute route;
    route.dst = net::IpNet::host(*ip.gateway);
    route.device = device;
    route.source = ip.address.address;
    route.scope = RT_SCOPE_LINK;
    add_once(routes, route);
  }
  return routes;
}

std::vector<LinkRoute> subnet_routes(const cni::Result& result, int device) {
  std::vector<LinkRoute> routes;
  for (const auto& ip : result.ips) {
    if (!has_subnet(ip)) continue;
    LinkRoute route;
    route.dst = ip.address.network();
    route.gw = ip.gateway;
    route.device = device;
    route.source = ip.address.address;
    add_once(routes, route);
  }
  return routes;
}

std::vector<LinkRoute> prefix_routes(const cni::Result& result, int device) {
  std::vector<LinkRoute> routes;
  for (const auto& ip : result.ips) {
    if (!has_subnet(ip)) continue;
    LinkRoute route;
    route.dst = ip.address.network();
    route.device = device;
    if (ip.address.is_v4()) {
      route.source = ip.address.address;
    } else {
      route.priority = kKernelMetric;
    }
    routes.push_back(route);
  }
  return routes;
}

}  // namespace berth::ptp
