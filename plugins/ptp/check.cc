#include <algorithm>

#include "cni/error.h"
#include "cni/plugin/attachment.h"
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

void check_container(net::Netlink& container, const net::Link& link, const Result& own) {
  interface::check_routes(container, link, gateway_routes(own, link.index));
  interface::check_routes(container, link, subnet_routes(own, link.index));
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
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  const auto link = cni::attachment::check(request, netns, "veth", config.mtu);

  const auto& previous = interface::required_previous(request);
  const auto own = own_part_of(previous, request.ifname());
  auto container = net::Netlink::in(netns);
  check_container(container, link, own);
  auto host = net::Netlink::here();
  check_host(host, cni::veth::check_host_end(host, link, previous), own);
  cni::Masquerade::check(request, interface::addresses_of(own));
}

}  // namespace berth::ptp
