#include "cni/plugin/interface.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>

#include "base/error.h"
#include "base/json.h"
#include "cni/error.h"
#include "net/sysctl.h"
#include "net/wait.h"

namespace berth::cni::interface {

namespace {

namespace sysctl = net::sysctl;

// Two probes' worth: the kernel delays the first by up to a second and waits another for an answer (RFC 4862, 5.4).
constexpr std::chrono::seconds kDetectionTimeout{5};

bool has_family(const std::vector<IpConfig>& ips, net::Family family) {
  return std::any_of(ips.begin(), ips.end(), [&](const IpConfig& ip) { return ip.address.address.family() == family; });
}

std::optional<std::string> non_empty(std::optional<std::string> text) {
  if (text && text->empty()) return std::nullopt;
  return text;
}

/// IPv6 may be switched off in a fresh container, and an address must survive the interface going down and up.
void prepare_ipv6(const std::string& ifname) {
  for (const auto& name : {std::string("lo"), ifname}) {
    const auto setting = "net/ipv6/conf/" + name + "/disable_ipv6";
    if (sysctl::read(setting) != "0") sysctl::write(setting, "0");
  }
  sysctl::write("net/ipv6/conf/" + ifname + "/keep_addr_on_down", "1");
}

std::optional<net::IpAddress> gateway_of(net::Family family, const std::vector<IpConfig>& ips) {
  for (const auto& ip : ips) {
    if (ip.gateway && ip.gateway->family() == family) return ip.gateway;
  }
  return std::nullopt;
}

net::LinkRoute route_through(const net::Link& link, const Route& route, const std::vector<IpConfig>& ips) {
  net::LinkRoute wanted;
  wanted.dst = route.dst.network();
  wanted.gw = route.gw ? route.gw : gateway_of(route.dst.address.family(), ips);
  // How DHCP says "on the link": without that, the gateway of the address would be meant.
  if (wanted.gw && wanted.gw->is_unspecified()) wanted.gw.reset();
  wanted.device = link.index;
  wanted.priority = route.priority;
  if (route.table) wanted.table = static_cast<uint32_t>(*route.table);
  if (route.scope) wanted.scope = static_cast<uint8_t>(*route.scope);
  wanted.mtu = route.mtu;
  wanted.advmss = route.advmss;
  return wanted;
}

void await_detection(net::Netlink& container, const net::Link& link) {
  if (net::wait_for_dad(link.index, kDetectionTimeout)) return;
  // Without a carrier there is nobody to ask, and the kernel goes on when there is one.
  if (!container.link(link.index).is_operational()) return;
  throw Error(Code::kInternal, "IPv6 addresses of " + link.name + " are still tentative");
}

/// Where a route is to be found: those of the main table go along when a later plugin puts the link into a VRF.
uint32_t table_of(net::Netlink& netlink, const net::Link& link, const net::LinkRoute& route) {
  if (route.table != RT_TABLE_MAIN || link.master == 0) return route.table;
  const auto master = netlink.find_link(link.master);
  return master && master->kind == "vrf" ? master->vrf_table : route.table;
}

void check_route(net::Netlink& container, const net::Link& link, const net::LinkRoute& wanted,
                 const std::optional<net::IpAddress>& gateway) {
  const auto routes = container.routes(wanted.dst.address.family(), link.index, table_of(container, link, wanted));
  const bool found = std::any_of(routes.begin(), routes.end(), [&](const net::LinkRoute& route) {
    return route.dst == wanted.dst && (!gateway || wanted.dst.prefix == 0 || route.gw == gateway);
  });
  if (!found) throw Error(Code::kInternal, "expected route " + wanted.dst.to_string() + " not found on " + link.name);
}

}  // namespace

net::NetNs open_netns(const Request& request) {
  try {
    return net::NetNs::open(request.netns());
  } catch (const std::exception& error) {
    throw Error(Code::kInvalidNetNs, error.what());
  }
}

void require_free_name(net::Netlink& in_container, const std::string& ifname, const net::NetNs& container) {
  if (!in_container.find_link(ifname)) return;
  throw Error(Code::kInvalidEnvironment, "interface CNI_IFNAME=" + ifname + " already exists in " + container.path());
}

std::optional<net::NetNs> find_netns(const Request& request) {
  if (request.netns().empty()) return std::nullopt;
  try {
    return net::NetNs::open(request.netns());
  } catch (const std::invalid_argument&) {
    return std::nullopt;  // the file that the namespace was bound to is left over
  } catch (const base::SystemError& error) {
    if (error.code() == ENOENT || error.code() == ENOTDIR) return std::nullopt;
    throw;
  }
}

net::MacAddress parse_mac(const std::string& text, const std::string& source, Code code) {
  const auto mac = net::MacAddress::try_parse(text);
  if (!mac) throw Error(code, "invalid MAC address \"" + text + "\" in " + source);
  if (mac->is_multicast() || mac->is_zero()) {
    throw Error(code, "MAC address \"" + text + "\" in " + source + " cannot be given to an interface");
  }
  return *mac;
}

std::optional<net::MacAddress> requested_mac(const Request& request, const std::optional<std::string>& configured) {
  const base::JsonObject config(request.config());
  const auto runtime = config.object("runtimeConfig");
  if (const auto text = non_empty(runtime ? runtime->string("mac") : std::nullopt)) {
    return parse_mac(*text, "runtimeConfig.mac", Code::kInvalidNetworkConfig);
  }
  const auto args = config.object("args");
  const auto convention = args ? args->object("cni") : std::nullopt;
  if (const auto text = non_empty(convention ? convention->string("mac") : std::nullopt)) {
    return parse_mac(*text, "args.cni.mac", Code::kInvalidNetworkConfig);
  }
  for (const auto& [key, value] : request.args({"MAC"})) {
    if (!value.empty()) return parse_mac(value, "CNI_ARGS " + key, Code::kInvalidEnvironment);
  }
  if (configured && !configured->empty()) return parse_mac(*configured, "mac", Code::kInvalidNetworkConfig);
  return std::nullopt;
}

std::optional<std::string> configured_name(const base::JsonObject& json, const char* key) {
  auto name = non_empty(json.string(key));
  if (!name) return std::nullopt;
  try {
    validate_ifname(*name);
  } catch (const Error& error) {
    throw Error(Code::kInvalidNetworkConfig, "invalid " + json.path_of(key) + " \"" + *name + "\": " + error.msg());
  }
  return name;
}

std::optional<Dns> configured_dns(const Request& request) {
  const auto* value = base::JsonObject(request.config()).find("dns");
  if (value == nullptr) return std::nullopt;
  auto dns = dns_from_json(*value, "dns");
  if (dns.empty()) return std::nullopt;
  return dns;
}

std::vector<net::LinkRoute> routes_through(const net::Link& link, const Result& result) {
  std::vector<net::LinkRoute> routes;
  for (const auto& route : result.routes) {
    const auto wanted = route_through(link, route, result.ips);
    if (std::find(routes.begin(), routes.end(), wanted) == routes.end()) routes.push_back(wanted);
  }
  return routes;
}

bool belongs_to(const IpConfig& ip, const std::string& ifname, const Result& result) {
  if (!ip.interface) return true;
  const auto index = static_cast<size_t>(*ip.interface);
  return *ip.interface >= 0 && index < result.interfaces.size() && result.interfaces[index].name == ifname;
}

void configure(net::Netlink& container, const net::Link& link, const Result& result, DuplicateDetection detection,
               const std::vector<net::LinkRoute>& ways) {
  for (const auto& ip : result.ips) {
    if (belongs_to(ip, link.name, result)) continue;
    throw Error(Code::kInternal, "address " + ip.address.to_string() + " does not belong to interface " + link.name);
  }
  const bool has_v6 = has_family(result.ips, net::Family::kIpv6);
  if (has_v6) prepare_ipv6(link.name);
  container.together([&] {
    for (const auto& ip : result.ips) {
      container.add_address(link.index, {ip.address, detection == DuplicateDetection::kSkip, 0});
    }
    container.set_up(link.index);
    for (const auto& route : ways) container.add_route(route);
    for (const auto& route : routes_through(link, result)) container.add_route(route);
  });
  if (has_v6 && detection == DuplicateDetection::kWait) await_detection(container, link);
}

void ignore_router_advertisements(const std::string& ifname) {
  sysctl::try_write("net/ipv6/conf/" + ifname + "/accept_ra", "0");
}

void enable_forwarding(const std::vector<IpConfig>& ips) {
  if (has_family(ips, net::Family::kIpv4)) sysctl::ensure("net/ipv4/ip_forward", "1");
  if (has_family(ips, net::Family::kIpv6)) sysctl::ensure("net/ipv6/conf/all/forwarding", "1");
}

Interface describe(const net::Link& link, const std::string& sandbox, const std::string& version) {
  Interface described;
  described.name = link.name;
  described.mac = link.mac.to_string();
  described.sandbox = sandbox;
  if (compare_versions(version, "1.1.0") >= 0) described.mtu = link.mtu;
  return described;
}

std::vector<net::IpNet> addresses_of(const Result& result) {
  std::vector<net::IpNet> addresses;
  for (const auto& ip : result.ips) addresses.push_back(ip.address);
  return addresses;
}

std::vector<IpConfig> ips_of(const Result& result, const std::string& ifname) {
  auto ips = result.ips;
  std::erase_if(ips, [&](const IpConfig& ip) { return !belongs_to(ip, ifname, result); });
  return ips;
}

base::FileLock lock(const net::NetNs& netns) {
  constexpr std::chrono::seconds kTimeout{20};
  try {
    return {netns.fd().duplicate(), netns.path(), kTimeout};
  } catch (const base::SystemError& error) {
    throw Error(error.code() == ETIMEDOUT ? Code::kTryAgainLater : Code::kInternal, error.what());
  }
}

const Result& required_previous(const Request& request) {
  if (!request.previous()) throw Error(Code::kInvalidNetworkConfig, "required prevResult missing");
  return *request.previous();
}

const Interface& recorded(const Result& previous, const std::string& name, const std::string& sandbox) {
  const auto found =
      std::find_if(previous.interfaces.begin(), previous.interfaces.end(),
                   [&](const Interface& candidate) { return candidate.name == name && candidate.sandbox == sandbox; });
  if (found != previous.interfaces.end()) return *found;
  throw Error(Code::kInternal,
              "prevResult has no interface " + name + (sandbox.empty() ? " on the host" : " in " + sandbox));
}

void require_mac(const net::Link& link, const std::string& expected) {
  if (expected.empty() || link.mac == net::MacAddress::parse(expected)) return;
  throw Error(Code::kInternal,
              "interface " + link.name + " has hardware address " + link.mac.to_string() + " instead of " + expected);
}

void check_routes(net::Netlink& netlink, const net::Link& link, const std::vector<net::LinkRoute>& routes) {
  for (const auto& route : routes) check_route(netlink, link, route, route.gw);
}

void check(net::Netlink& container, const net::Link& link, const Result& previous) {
  const auto present = container.addresses(link.index);
  for (const auto& ip : previous.ips) {
    if (!belongs_to(ip, link.name, previous)) continue;
    const bool found = std::any_of(present.begin(), present.end(),
                                   [&](const net::LinkAddress& address) { return address.address == ip.address; });
    if (!found) {
      throw Error(Code::kInternal, "expected address " + ip.address.to_string() + " not found on " + link.name);
    }
    // The kernel makes no route of its own for the prefix of a single address.
    net::LinkRoute subnet;
    subnet.dst = ip.address.network();
    if (ip.address.prefix < ip.address.address.bits()) check_route(container, link, subnet, std::nullopt);
  }
  for (const auto& route : previous.routes) {
    const auto wanted = route_through(link, route, previous.ips);
    check_route(container, link, wanted, route.gw ? wanted.gw : std::nullopt);
  }
}

}  // namespace berth::cni::interface
