#include <algorithm>

#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/veth.h"
#include "net/netlink.h"
#include "ptp/config.h"
#include "ptp/ptp.h"
#include "ptp/routing.h"

namespace berth::ptp {

namespace {

using cni::Request;
using cni::Result;
namespace interface = cni::interface;

[[noreturn]] void fail(const std::string& message) {
  throw cni::Error(cni::Code::kInternal, message);
}

/// `own`: the part of prevResult that this plugin set up.
net::Link check_container(net::Netlink& container, const Request& request, const Result& previous, const Result& own) {
  const auto link = container.find_link(request.ifname());
  if (!link) fail("interface " + request.ifname() + " does not exist in " + request.netns());
  if (link->kind != "veth") fail("interface " + link->name + " in " + request.netns() + " is not a veth");
  if (!link->is_up()) fail("interface " + link->name + " is down");
  interface::require_mac(*link, interface::recorded(previous, request.ifname(), request.netns()).mac);
  interface::check(container, *link, previous);
  interface::check_routes(container, *link, gateway_routes(own, link->index));
  interface::check_routes(container, *link, subnet_routes(own, link->index));
  return *link;
}

void check_host(net::Netlink& host, const net::Link& link, const Result& previous) {
  const auto present = host.addresses(link.index);
  for (const auto& wanted : host_addresses(previous)) {
    const bool found = std::any_of(present.begin(), present.end(),
                                   [&](const net::LinkAddress& address) { return address.address == wanted; });
    if (!found) fail("gateway address " + wanted.to_string() + " not found on " + link.name);
  }
  interface::check_routes(host, link, host_routes(previous, link.index));
}

/// prevResult without the addresses that a plugin further down the list may have added.
Result own_part_of(const Result& previous, const std::string& ifname) {
  auto own = previous;
  std::erase_if(own.ips,
                [&](const cni::IpConfig& ip) { return !ip.gateway || !interface::belongs_to(ip, ifname, previous); });
  return own;
}

}  // namespace

void PtpPlugin::check(const Request& request) {
  Config::parse(request);
  const auto& previous = interface::required_previous(request);
  cni::ipam::check(request);

  const auto own = own_part_of(previous, request.ifname());
  auto host = net::Netlink::here();
  auto container = net::Netlink::in(interface::open_netns(request));
  const auto link = check_container(container, request, previous, own);
  check_host(host, cni::veth::check_host_end(host, link, previous), own);
  cni::Masquerade::check(request, interface::addresses_of(own));
}

}  // namespace berth::ptp
