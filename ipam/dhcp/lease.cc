#include "lease.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "base/encode.h"
#include "base/json.h"
#include "options.h"
#include "record.h"

namespace berth::dhcp {

namespace {

using base::Json;
using base::JsonObject;
using std::chrono::system_clock;

constexpr uint32_t kInfinite = std::numeric_limits<uint32_t>::max();
constexpr uint32_t kDefaultDuration = 3600;
constexpr unsigned kSmallestMtu = 68;  // RFC 791
constexpr size_t kLongestIdentifier = 254;
constexpr size_t kHashDigits = 32;

void set_times(Lease& lease) {
  const uint32_t duration = u32_in(lease.options, kLeaseTime).value_or(kDefaultDuration);
  if (duration == 0) throw std::invalid_argument("its lease time is 0");
  lease.infinite = duration == kInfinite;
  lease.duration = Seconds(duration);
  const uint64_t whole = duration;
  uint64_t renewal = u32_in(lease.options, kRenewalTime).value_or(0);
  uint64_t rebinding = u32_in(lease.options, kRebindingTime).value_or(0);
  if (rebinding == 0 || rebinding > whole) rebinding = whole * 85 / 100;
  if (renewal == 0 || renewal > rebinding) renewal = std::min(whole / 2, rebinding);
  lease.renewal = Seconds(renewal);
  lease.rebinding = Seconds(rebinding);
}

bool can_be_a_hosts_address(const net::IpAddress& address) {
  return !address.is_unspecified() && !address.is_loopback() && !address.is_multicast() && address.bytes()[0] < 240;
}

cni::Route route_to(const ServerRoute& route) {
  cni::Route result;
  result.dst = route.dst;
  result.gw = route.gateway;
  if (route.gateway.is_unspecified()) result.scope = RT_SCOPE_LINK;
  return result;
}

int64_t wall_clock(Time time) {
  const auto then = system_clock::now() + std::chrono::duration_cast<system_clock::duration>(time - Clock::now());
  return std::chrono::duration_cast<Seconds>(then.time_since_epoch()).count();
}

/// A clock that was set back must not make a lease longer than it is.
Time from_wall_clock(int64_t seconds) {
  const auto then = system_clock::time_point(Seconds(seconds));
  const auto age = std::max(system_clock::now() - then, system_clock::duration::zero());
  return Clock::now() - std::chrono::duration_cast<Clock::duration>(age);
}

}  // namespace

Lease Lease::from(const Message& ack, Time obtained) {
  Lease lease;
  lease.options = ack.options;
  lease.obtained = obtained;
  const auto server = address_in(ack.options, kServerIdentifier);
  if (!server) throw std::invalid_argument("it has no server identifier (option 54)");
  lease.server = *server;
  if (!can_be_a_hosts_address(ack.yiaddr)) {
    throw std::invalid_argument("its address " + ack.yiaddr.to_string() + " is none for a host");
  }
  const auto prefix = prefix_in(ack.options);
  if (!prefix || *prefix == 0) throw std::invalid_argument("it has no usable subnet mask (option 1)");
  lease.address = {ack.yiaddr, *prefix};
  set_times(lease);
  return lease;
}

std::optional<net::IpAddress> Lease::gateway() const {
  for (const auto& router : addresses_in(options, kRouters)) {
    if (can_be_a_hosts_address(router)) return router;
  }
  return std::nullopt;
}

std::vector<cni::Route> Lease::routes() const {
  std::vector<cni::Route> routes;
  if (const auto classless = classless_routes_in(options); !classless.empty()) {
    for (const auto& route : classless) routes.push_back(route_to(route));
  } else {
    for (const auto& route : static_routes_in(options)) routes.push_back(route_to(route));
    if (const auto router = gateway()) {
      routes.push_back(route_to({{net::IpAddress::any(net::Family::kIpv4), 0}, *router}));
    }
  }
  const unsigned mtu = u16_in(options, kInterfaceMtu).value_or(0);
  if (mtu >= kSmallestMtu) {
    for (auto& route : routes) route.mtu = mtu;
  }
  return routes;
}

cni::Dns Lease::dns() const {
  cni::Dns dns;
  for (const auto& each : addresses_in(options, kNameServers)) dns.nameservers.push_back(each.to_string());
  dns.domain = domain_in(options);
  dns.search = search_domains_in(options);
  return dns;
}

Json Lease::to_json() const {
  Json ntp = Json::array();
  for (const auto& each : addresses_in(options, kNtpServers)) ntp.push_back(each.to_string());
  return {{"address", address.to_string()},
          {"server", server.to_string()},
          {"obtained", wall_clock(obtained)},
          {"renewal", renewal.count()},
          {"rebinding", rebinding.count()},
          {"duration", duration.count()},
          {"infinite", infinite},
          {"ntp", ntp},  // for those who read the record: results have no place for it
          {"options", options_to_json(options)}};
}

Lease Lease::from_json(const Json& value, const std::string& path) {
  const JsonObject object(value, path);
  const auto seconds = [&](const char* key) { return Seconds(object.integer(key, 0, kInfinite).value_or(0)); };
  Lease lease;
  lease.address = net::IpNet::parse(object.required_string("address"));
  lease.server = net::IpAddress::parse(object.required_string("server"));
  if (!lease.address.is_v4() || !lease.server.is_v4()) throw base::JsonError(path + ": its addresses are not IPv4");
  lease.obtained = from_wall_clock(object.integer("obtained", 0, kInfinite).value_or(0));
  lease.renewal = seconds("renewal");
  lease.rebinding = seconds("rebinding");
  lease.duration = seconds("duration");
  lease.infinite = object.boolean("infinite").value_or(false);
  if (const auto* raw = object.find("options")) lease.options = options_from_json(*raw, path + ".options");
  return lease;
}

cni::Result result_of(const Lease& lease, unsigned priority) {
  cni::Result result;
  result.ips.push_back({std::nullopt, lease.address, lease.gateway()});
  result.routes = lease.routes();
  for (auto& route : result.routes) route.priority = priority;
  result.dns = lease.dns();
  return result;
}

std::string client_identifier(const std::string& container, const std::string& network, const std::string& ifname) {
  std::string text = container + "/" + network + "/" + ifname;
  if (text.size() > kLongestIdentifier) {
    const auto hash = base::sha512_hex(text).substr(0, kHashDigits);
    text = text.substr(0, kLongestIdentifier - kHashDigits - 1) + "/" + hash;
  }
  return std::string(1, '\0') + text;
}

}  // namespace berth::dhcp
