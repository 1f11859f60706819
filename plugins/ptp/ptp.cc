#include "ptp/ptp.h"

#include <algorithm>

#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/veth.h"
#include "net/announce.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "ptp/config.h"
#include "ptp/routing.h"

namespace berth::ptp {

namespace {

using cni::Code;
using cni::Masquerade;
using cni::Request;
using cni::Result;
namespace interface = cni::interface;

/// The container's place among the interfaces of the result.
constexpr int64_t kContainerInterface = 1;

/// IPAM's answer as this plugin passes it on; every address has its gateway, which becomes the host's end.
Result lease(const Request& request, base::Rollback& rollback) {
  auto result = cni::ipam::add(request, rollback);
  if (result.ips.empty()) throw cni::Error(Code::kInternal, "IPAM plugin returned missing IP config");
  for (auto& ip : result.ips) {
    ip.interface.reset();
    if (ip.gateway) continue;
    throw cni::Error(Code::kInvalidNetworkConfig, "IPAM plugin returned no gateway for " + ip.address.to_string());
  }
  return result;
}

void enable_ipv6(const std::string& ifname, const std::vector<net::IpNet>& addresses) {
  const bool has_v6 = std::any_of(addresses.begin(), addresses.end(), [](const auto& net) { return !net.is_v4(); });
  if (has_v6) net::sysctl::ensure("net/ipv6/conf/" + ifname + "/disable_ipv6", "0");
}

void set_up_host(net::Netlink& host, const net::Link& link, const Result& result) {
  const auto addresses = host_addresses(result);
  enable_ipv6(link.name, addresses);
  host.together([&] {
    for (const auto& address : addresses) host.add_address(link.index, {address, true, 0});
    for (const auto& route : host_routes(result, link.index)) host.add_route(route);
  });
}

net::Link set_up_container(const net::NetNs& netns, const std::string& ifname, const Result& result) {
  return netns.within([&] {
    auto container = net::Netlink::here();
    auto link = container.link(ifname);
    interface::configure(container, link, result, interface::DuplicateDetection::kSkip,
                         gateway_routes(result, link.index));
    for (const auto& route : prefix_routes(result, link.index)) container.delete_route(route);
    container.together([&] {
      for (const auto& route : subnet_routes(result, link.index)) container.add_route(route);
    });
    net::announce(container, link, interface::addresses_of(result));
    return link;
  });
}

}  // namespace

Result PtpPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  const auto masquerade = config.masquerade.enabled ? Masquerade::open(config.masquerade.backend) : nullptr;

  auto host = net::Netlink::here();
  base::Rollback rollback;
  auto result = lease(request, rollback);
  cni::throw_if_interrupted();

  net::VethPair pair;
  pair.mtu = config.mtu;
  const auto name = cni::veth::create(host, netns, request, pair);
  rollback.add("delete link " + name, [&] { host.delete_link(name); });
  const auto host_end = host.link(name);
  set_up_host(host, host_end, result);
  const auto container_end = set_up_container(netns, request.ifname(), result);
  cni::throw_if_interrupted();

  result.interfaces = {interface::describe(host_end, "", request.version()),
                       interface::describe(container_end, request.netns(), request.version())};
  for (auto& ip : result.ips) ip.interface = kContainerInterface;
  if (config.dns) result.dns = *config.dns;
  if (masquerade) {
    rollback.add("remove masquerading", [&] { Masquerade::remove(request); });
    masquerade->add(request, interface::addresses_of(result));
  }
  interface::enable_forwarding(result.ips);
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void PtpPlugin::del(const Request& request) {
  cni::ipam::del_with(request, [&](base::BestEffort& cleanup) {
    cleanup.attempt_both(
        "delete interface " + request.ifname(), [&] { return cni::veth::begin_removal(request); },
        "remove masquerading", [&] { Masquerade::remove(request); });
  });
}

void PtpPlugin::gc(const Request& request) {
  cni::ipam::gc_with(request, [&](base::BestEffort& cleanup) {
    cleanup.attempt("delete stale interfaces", [&] { cni::veth::collect_garbage(request); });
    cleanup.attempt("remove stale masquerading", [&] { Masquerade::collect_garbage(request); });
  });
}

void PtpPlugin::status(const Request& request) {
  Config::parse(request);
  Masquerade::require_available(request);
  cni::ipam::status(request);
}

}  // namespace berth::ptp
