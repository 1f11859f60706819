#include "bridge/bridge.h"

#include <algorithm>
#include <memory>

#include "base/rollback.h"
#include "bridge/config.h"
#include "bridge/host_side.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/firewall/attachment.h"
#include "cni/plugin/firewall/masquerade.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/veth.h"
#include "firewall/firewall.h"
#include "firewall/spoof_check.h"
#include "net/announce.h"
#include "net/netlink.h"
#include "net/sysctl.h"

namespace berth::bridge {

namespace {

using cni::Code;
using cni::Request;
using cni::Result;
namespace interface = cni::interface;

/// The container's place among the interfaces of the result.
constexpr int64_t kContainerInterface = 2;

bool is_default(const cni::Route& route) {
  return route.dst.prefix == 0;
}

/// isDefaultGateway: a default route per family through its gateway, unless IPAM gave one with a gateway.
void add_default_routes(Result& result) {
  for (const auto& ip : result.ips) {
    const auto family = ip.address.address.family();
    const bool has_one = std::any_of(result.routes.begin(), result.routes.end(), [&](const cni::Route& route) {
      return is_default(route) && route.gw && route.dst.address.family() == family;
    });
    if (has_one || !ip.gateway) continue;
    cni::Route route;
    route.dst = {net::IpAddress::any(family), 0};
    route.gw = ip.gateway;
    result.routes.push_back(route);
  }
}

/// IPAM's answer as this plugin passes it on.
Result lease(cni::ipam::Addition& addition, const Config& config) {
  auto result = addition.result();
  if (result.ips.empty()) throw cni::Error(Code::kInternal, "IPAM plugin returned missing IP config");
  for (auto& ip : result.ips) {
    ip.interface.reset();
    if (config.is_gateway && !ip.gateway) ip.gateway = ip.address.network().address.next();
  }
  if (config.is_default_gateway) add_default_routes(result);
  return result;
}

void prepare_sysctls(const std::string& ifname, bool detect_duplicates) {
  const auto v6 = "net/ipv6/conf/" + ifname;
  if (detect_duplicates) {
    net::sysctl::try_write(v6 + "/enhanced_dad", "1");
    net::sysctl::try_write(v6 + "/accept_dad", "1");
  } else {
    net::sysctl::try_write(v6 + "/accept_dad", "0");
  }
  net::sysctl::try_write("net/ipv4/conf/" + ifname + "/arp_notify", "1");
}

/// Finds the container's end, and readies it for addresses where there will be any.
net::Link prepare_container(const net::NetNs& netns, net::Netlink& netlink, const std::string& ifname,
                            const Config& config) {
  if (config.has_ipam) netns.within([&] { prepare_sysctls(ifname, config.detect_duplicates); });
  return netlink.link(ifname);
}

/// Sets up the container's end, with the result's addresses and routes where there are any.
void set_up_container(const net::NetNs& netns, net::Netlink& netlink, const net::Link& link, const Config& config,
                      const Result& result) {
  netns.within([&] {
    if (config.has_ipam) {
      interface::configure(
          netlink, link, result,
          config.detect_duplicates ? interface::DuplicateDetection::kWait : interface::DuplicateDetection::kSkip);
    } else if (!config.disable_container_interface) {
      netlink.set_up(link.index);
    }
  });
}

/// Before the container's end is up: it never sends anything unchecked.
void check_spoofing(const Request& request, const HostSide& host, net::Netlink& in_container,
                    base::Rollback& rollback) {
  const auto mac = in_container.link(request.ifname()).mac;
  const auto owner = cni::owner_of(request);
  rollback.add("end the check for spoofed addresses", [owner] { firewall::SpoofCheck::remove(owner); });
  cni::translating_firewall_errors([&] { firewall::SpoofCheck::add(owner, host.port(), mac); });
}

}  // namespace

Result BridgePlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  const auto masquerade = config.ip_masq ? cni::Masquerade::open(config.ip_masq_backend) : nullptr;
  if (!config.has_ipam) Result().require_expressible_in(request.version());

  HostSide host(config);
  auto in_container = net::Netlink::in(netns);
  interface::require_free_name(in_container, request.ifname(), netns);
  base::Rollback rollback;
  std::optional<cni::ipam::Addition> addition;
  if (config.has_ipam) addition.emplace(request, rollback);
  host.attach(netns, request, rollback);
  if (config.spoof_check) check_spoofing(request, host, in_container, rollback);
  const auto link = prepare_container(netns, in_container, request.ifname(), config);
  cni::throw_if_interrupted();

  Result result;
  if (addition) {
    result = lease(*addition, config);
    // Undone before IPAM gives the addresses to somebody else.
    rollback.add("detach " + request.ifname(), [&host] { host.detach(); });
  }
  if (config.is_gateway) host.serve_as_gateway(result.ips, rollback);
  cni::throw_if_interrupted();
  set_up_container(netns, in_container, link, config, result);
  if (!config.disable_container_interface) host.wait_for_port();
  netns.within([&] { net::announce(in_container, link, interface::addresses_of(result)); });
  cni::throw_if_interrupted();

  result.interfaces = host.interfaces(request.version());
  result.interfaces.insert(result.interfaces.begin() + kContainerInterface,
                           interface::describe(link, request.netns(), request.version()));
  for (auto& ip : result.ips) ip.interface = kContainerInterface;
  if (config.dns) result.dns = *config.dns;
  if (masquerade) {
    rollback.add("remove masquerading", [&] { cni::Masquerade::remove(request); });
    masquerade->add(request, interface::addresses_of(result));
  }
  if (config.is_gateway) interface::enable_forwarding(result.ips);
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void BridgePlugin::del(const Request& request) {
  cni::ipam::del_with(request, [&](base::BestEffort& cleanup) {
    cleanup.attempt_both(
        "delete interface " + request.ifname(), [&] { return cni::veth::begin_removal(request); },
        "remove masquerading", [&] { cni::Masquerade::remove(request); });
    cleanup.attempt("end the check for spoofed addresses", [&] {
      if (!checks_spoofing(request)) return;
      cni::translating_firewall_errors([&] { firewall::SpoofCheck::remove(cni::owner_of(request)); });
    });
  });
}

void BridgePlugin::gc(const Request& request) {
  cni::ipam::gc_with(request, [&](base::BestEffort& cleanup) {
    cleanup.attempt("delete stale interfaces", [&] { cni::veth::collect_garbage(request); });
    cleanup.attempt("remove stale masquerading", [&] { cni::Masquerade::collect_garbage(request); });
    cleanup.attempt("end stale checks for spoofed addresses", [&] {
      if (!checks_spoofing(request)) return;
      cni::translating_firewall_errors(
          [&] { firewall::SpoofCheck::collect_garbage(request.network(), cni::is_valid_in(request)); });
    });
  });
}

void BridgePlugin::status(const Request& request) {
  const auto config = Config::parse(request);
  const auto bridge = net::Netlink::here().find_link(config.bridge);
  if (bridge && bridge->kind != "bridge") {
    throw cni::Error(Code::kNotAvailable, "\"" + config.bridge + "\" already exists but is not a bridge");
  }
  cni::Masquerade::require_available(request);
  if (const auto why = firewall::why_unusable("nftables"); config.spoof_check && !why.empty()) {
    throw cni::Error(Code::kNotAvailable, "macspoofchk is not possible: " + why);
  }
  if (config.has_ipam) cni::ipam::status(request);
}

}  // namespace berth::bridge
