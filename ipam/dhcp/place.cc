#include "place.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <stdexcept>

#include "base/error.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "net/netlink.h"

namespace berth::dhcp {

namespace {

using cni::Code;

constexpr uint8_t kKernelsOwn = 2;  // RTPROT_KERNEL: comes and goes with the address

struct stat status_of(const net::NetNs& netns) {
  struct stat status {};
  base::check(::fstat(netns.fd().get(), &status), "examine network namespace", netns.path());
  return status;
}

net::NetNs open_netns(const std::string& path) {
  try {
    return net::NetNs::open(path);
  } catch (const std::exception& error) {
    throw cni::Error(Code::kInvalidNetNs, error.what());
  }
}

/// nullopt if it has gone, for certain; what keeps us from seeing it is thrown.
std::optional<net::NetNs> find_netns(const std::string& path) {
  try {
    return net::NetNs::open(path);
  } catch (const std::invalid_argument&) {
    return std::nullopt;  // the file that the namespace was bound to is left over
  } catch (const base::SystemError& error) {
    if (error.code() == ENOENT || error.code() == ENOTDIR || error.code() == ESRCH) return std::nullopt;
    throw;
  }
}

Routes routes_of(const Record& record, const Lease& lease) {
  net::Link link;
  link.name = record.key.ifname;
  link.index = record.place.index;
  return cni::interface::routes_through(link, result_of(lease, record.wishes.priority));
}

Routes present_routes(net::Netlink& netlink, int index) {
  auto routes = netlink.routes(net::Family::kIpv4, index);
  std::erase_if(routes, [](const net::LinkRoute& route) { return route.protocol == kKernelsOwn; });
  return routes;
}

bool same_way(const net::LinkRoute& a, const net::LinkRoute& b) {
  return a.dst == b.dst && a.gw == b.gw && a.priority == b.priority;
}

bool contains(const Routes& routes, const net::LinkRoute& wanted) {
  return std::any_of(routes.begin(), routes.end(),
                     [&](const net::LinkRoute& route) { return same_way(route, wanted); });
}

/// One route that cannot be had (its gateway is gone with the old subnet, say) must not cost the others.
void try_route(net::Netlink& netlink, const net::LinkRoute& route) {
  try {
    netlink.add_route(route);
  } catch (const base::SystemError& error) {
    if (error.code() != EEXIST) std::fprintf(stderr, "dhcp: %s\n", error.what());
  }
}

}  // namespace

Place prepare_place(const std::string& host_prefix, const std::string& netns_path, const std::string& ifname) {
  const auto netns = open_netns(host_prefix + netns_path);
  return netns.within([&] {
    auto netlink = net::Netlink::here();
    const auto link = netlink.find_link(ifname);
    if (!link) throw cni::Error(Code::kInternal, "no interface " + ifname + " in " + netns_path);
    if (link->mac.is_zero()) throw cni::Error(Code::kInternal, "interface " + ifname + " is not of the Ethernet kind");
    if (!link->is_up()) netlink.set_up(link->index);
    const auto status = status_of(netns);
    return Place{netns_path, status.st_dev, status.st_ino, link->index, link->mac};
  });
}

std::optional<net::NetNs> find_place(const std::string& host_prefix, const Place& place, const std::string& ifname) {
  auto netns = find_netns(host_prefix + place.netns);
  if (!netns) return std::nullopt;
  const auto status = status_of(*netns);
  if (status.st_dev != place.device || status.st_ino != place.inode) return std::nullopt;
  const auto link = net::Netlink::in(*netns).find_link(place.index);
  if (!link || link->mac != place.mac || link->name != ifname) return std::nullopt;
  return netns;
}

Routes remove_from_link(const Place& place, const Lease& lease) {
  auto netlink = net::Netlink::here();
  auto routes = present_routes(netlink, place.index);
  netlink.delete_address(place.index, lease.address);
  return routes;
}

void put_on_link(const Record& record, const Lease& lease, const std::optional<Lease>& previous, const Routes& former) {
  auto netlink = net::Netlink::here();
  try {
    netlink.add_address(record.place.index, {lease.address, false, 0});
  } catch (const base::SystemError& error) {
    if (error.code() != EEXIST) throw;
  }
  const auto wanted = routes_of(record, lease);
  for (const auto& route : wanted) try_route(netlink, route);
  const auto replaced = previous ? routes_of(record, *previous) : Routes();
  const auto present = present_routes(netlink, record.place.index);
  for (const auto& route : former) {
    if (!contains(replaced, route) && !contains(present, route)) try_route(netlink, route);
  }
}

void replace_on_link(const Record& record, const Lease& lease, const Lease& previous) {
  const auto wanted = routes_of(record, lease);
  const auto replaced = routes_of(record, previous);
  if (lease.address == previous.address && wanted == replaced) return;
  auto netlink = net::Netlink::here();
  const auto former = present_routes(netlink, record.place.index);
  for (const auto& route : replaced) {
    if (std::find(wanted.begin(), wanted.end(), route) == wanted.end()) netlink.delete_route(route);
  }
  if (lease.address != previous.address) netlink.delete_address(record.place.index, previous.address);
  put_on_link(record, lease, previous, former);
}

}  // namespace berth::dhcp
