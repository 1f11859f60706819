#include "cni/plugin/attachment.h"

#include <cerrno>

#include "base/error.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "net/announce.h"
#include "net/link_removal.h"
#include "net/sysctl.h"

namespace berth::cni::attachment {

namespace {

/// Anything of another kind is what made ADD fail, and somebody else's.
void delete_interface(const net::NetNs& netns, const std::string& ifname, const std::string& kind) {
  const auto link = net::Netlink::in(netns).find_link(ifname);
  if (link && link->kind == kind) net::LinkRemoval(netns, link->index).wait();
}

}  // namespace

void create(const Request& request, const net::NetNs& netns, base::Rollback& rollback,
            const std::function<void()>& make) {
  const std::string& ifname = request.ifname();
  try {
    make();
  } catch (const base::SystemError& error) {
    if (error.code() != EEXIST) throw;
    auto in_container = net::Netlink::in(netns);
    interface::require_free_name(in_container, ifname, netns);
    throw;  // what exists may be the VLAN as well
  }
  rollback.add("delete interface " + ifname, [&netns, &ifname] { net::Netlink::in(netns).delete_link(ifname); });
}

Result lease(const Request& request, const net::NetNs& netns, base::Rollback& rollback) {
  return lease(request, rollback, [&] { net::Netlink::in(netns).delete_link(request.ifname()); });
}

Result lease(const Request& request, base::Rollback& rollback, const std::function<void()>& detach) {
  auto result = ipam::add(request, rollback);
  if (result.ips.empty()) throw Error(Code::kInternal, "IPAM plugin returned missing IP config");
  if (!ipam::releases_through_the_interface(request)) rollback.add("detach " + request.ifname(), detach);
  return result;
}

void notify_neighbours(const Request& request, const net::NetNs& netns) {
  netns.within([&] {
    net::sysctl::try_write("net/ipv4/conf/" + request.ifname() + "/arp_notify", "1");
    net::sysctl::try_write("net/ipv6/conf/" + request.ifname() + "/ndisc_notify", "1");
  });
}

Result complete(const Request& request, const net::NetNs& netns, Result result) {
  netns.within([&] {
    auto container = net::Netlink::here();
    const auto link = container.link(request.ifname());
    result.interfaces = {interface::describe(link, request.netns(), request.version())};
    for (auto& ip : result.ips) ip.interface = 0;
    interface::configure(container, link, result, interface::DuplicateDetection::kSkip);
    net::announce(container, link, interface::addresses_of(result));
  });
  if (auto dns = interface::configured_dns(request)) result.dns = *std::move(dns);
  return result;
}

void del(const Request& request, const std::string& kind) {
  ipam::del_with(request, [&](base::BestEffort& cleanup) {
    cleanup.attempt("delete interface " + request.ifname(), [&] {
      if (const auto netns = interface::find_netns(request)) delete_interface(*netns, request.ifname(), kind);
    });
  });
}

net::Link check(const Request& request, const net::NetNs& netns, const std::string& kind, int64_t mtu) {
  const auto fail = [](const std::string& message) { throw Error(Code::kInternal, message); };
  const auto& previous = interface::required_previous(request);
  const auto& before = interface::recorded(previous, request.ifname(), request.netns());
  auto container = net::Netlink::in(netns);
  auto link = container.find_link(request.ifname());
  if (!link) fail("interface " + request.ifname() + " does not exist in " + request.netns());
  if (kind != kAnyKind && link->kind != kind)
    fail("interface " + link->name + " in " + request.netns() + " is not a " + kind);
  if (!link->is_up()) fail("interface " + link->name + " is down");
  interface::require_mac(*link, before.mac);
  const int64_t expected_mtu = before.mtu != 0 ? before.mtu : mtu;
  if (expected_mtu != 0 && link->mtu != expected_mtu) {
    fail("interface " + link->name + " has mtu " + std::to_string(link->mtu) + " instead of " +
         std::to_string(expected_mtu));
  }
  interface::check(container, *link, previous);
  if (ipam::configured(request)) ipam::check(request);
  return *std::move(link);
}

void gc(const Request& request) {
  if (ipam::configured(request)) ipam::gc(request);
}

void status(const Request& request) {
  if (ipam::configured(request)) ipam::status(request);
}

}  // namespace berth::cni::attachment
