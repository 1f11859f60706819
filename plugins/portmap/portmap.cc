#include "portmap/portmap.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstdio>

#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/firewall/attachment.h"
#include "firewall/firewall.h"
#include "net/conntrack.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "portmap/config.h"

namespace berth::portmap {

namespace {

using cni::Code;
using cni::Error;
using cni::Request;
using cni::Result;
using firewall::PortMapping;
using firewall::Publication;
using net::Family;

const Result& required_previous(const Request& request) {
  if (request.previous()) return *request.previous();
  throw Error(Code::kInvalidNetworkConfig, "must be called as chained plugin", "prevResult is missing");
}

/// Runs work on the firewall; its errors get the protocol's codes.
template <class Work>
auto with_firewall(const std::string& backend, Work&& work) {
  return cni::translating_firewall_errors([&] { return work(*firewall::make(backend)); });
}

/// An address that says nothing of its interface counts as the container's.
bool belongs_to(const Result& result, const cni::IpConfig& ip, const std::string& ifname) {
  if (!ip.interface || *ip.interface < 0) return true;
  const auto index = static_cast<size_t>(*ip.interface);
  if (index >= result.interfaces.size()) return true;
  return result.interfaces[index].name == ifname && !result.interfaces[index].sandbox.empty();
}

Publication publication_of(const Config& config, const Result& previous, const std::string& ifname) {
  Publication publication;
  publication.ports = config.ports;
  publication.options = config.options;
  for (const auto& ip : previous.ips) {
    auto& address = ip.address.is_v4() ? publication.container_v4 : publication.container_v6;
    if (!address && belongs_to(previous, ip, ifname)) address = ip.address;
  }
  return publication;
}

bool concerns(const PortMapping& port, Family family) {
  return !port.host_ip || port.host_ip->family() == family;
}

/// Connections of protocols without a handshake go on along an entry made before the port was (or while it was)
/// published, and past the rules. Best effort: a kernel without ctnetlink must not keep ports from being published.
void forget_connections(const std::vector<PortMapping>& ports, Family family) {
  std::vector<net::ConntrackFilter> filters;
  for (const auto& port : ports) {
    if (port.protocol == "tcp" || !concerns(port, family)) continue;
    net::ConntrackFilter filter;
    filter.protocol = port.protocol == "udp" ? IPPROTO_UDP : IPPROTO_SCTP;
    filter.original_destination_port = port.host_port;
    if (port.host_ip && !port.host_ip->is_unspecified()) filter.original_destination = port.host_ip;
    filters.push_back(filter);
  }
  if (filters.empty()) return;
  try {
    net::flush_conntrack(family, filters);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "portmap: connections of published ports may linger: %s\n", error.what());
  }
}

/// Lets packets from 127.0.0.0/8 leave through the interface that leads to the container.
void allow_loopback_access(const Publication& publication) {
  const auto& ports = publication.ports;
  const bool concerned =
      std::any_of(ports.begin(), ports.end(), [](const auto& port) { return concerns(port, Family::kIpv4); });
  if (!publication.options.snat || !publication.container_v4 || !concerned) return;
  const auto device = net::Netlink::here().route_device(publication.container_v4->address);
  if (device) net::sysctl::ensure("net/ipv4/conf/" + *device + "/route_localnet", "1");
}

}  // namespace

Result PortmapPlugin::add(const Request& request) {
  const Config config = Config::parse(request);
  const Result& previous = required_previous(request);
  previous.require_expressible_in(request.version());
  if (config.ports.empty()) return previous;

  const auto owner = cni::owner_of(request);
  const auto publication = publication_of(config, previous, request.ifname());
  with_firewall(config.backend, [&](firewall::Firewall& firewall) {
    firewall.publish(owner, publication);
    base::Rollback rollback;
    rollback.add("unpublish ports", [&] { firewall.unpublish(owner); });
    cni::throw_if_interrupted();
    allow_loopback_access(publication);
    if (publication.container_v4) forget_connections(config.ports, Family::kIpv4);
    if (publication.container_v6) forget_connections(config.ports, Family::kIpv6);
    rollback.dismiss();
  });
  return previous;
}

void PortmapPlugin::del(const Request& request) {
  const auto ports =
      cni::translating_firewall_errors([&] { return firewall::unpublish_everywhere(cni::owner_of(request)); });
  forget_connections(ports, Family::kIpv4);
  forget_connections(ports, Family::kIpv6);
}

void PortmapPlugin::check(const Request& request) {
  const Config config = Config::parse(request);
  const Result& previous = required_previous(request);
  if (config.ports.empty()) return;
  with_firewall(config.backend, [&](firewall::Firewall& firewall) {
    firewall.check_published(cni::owner_of(request), publication_of(config, previous, request.ifname()));
  });
}

void PortmapPlugin::gc(const Request& request) {
  cni::translating_firewall_errors(
      [&] { firewall::collect_garbage_everywhere(request.network(), cni::is_valid_in(request)); });
}

void PortmapPlugin::status(const Request& request) {
  const std::string why = firewall::why_unusable(Config::parse(request).backend);
  if (!why.empty()) throw Error(Code::kNotAvailable, "no usable firewall backend", why);
}

}  // namespace berth::portmap
