#include "sbr/sbr.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "net/netlink.h"
#include "sbr/config.h"
#include "sbr/tables.h"

namespace berth::sbr {

namespace {

using cni::Code;
using cni::Error;
using cni::Request;
using cni::Result;
using net::Family;
using net::LinkRoute;
using net::Netlink;
using net::RoutingRule;
namespace interface = cni::interface;

constexpr uint32_t kFirstTable = 100;

std::vector<LinkRoute> main_routes(Netlink& container, const net::Link& link) {
  auto routes = container.routes(Family::kIpv4, link.index);
  const auto v6 = container.routes(Family::kIpv6, link.index);
  routes.insert(routes.end(), v6.begin(), v6.end());
  return routes;
}

RoutingRule rule_for(const net::IpAddress& source, uint32_t table) {
  return {source.family(), net::IpNet::host(source), table, 0};
}

/// Changes to a namespace's routing, each with its undo.
class Change {
 public:
  Change(Netlink& container, base::Rollback& rollback) : container_(container), rollback_(rollback) {}

  void add(const LinkRoute& route) {
    container_.add_route(route);
    rollback_.add("delete route " + route.to_string(),
                  [&container = container_, route] { container.delete_route(route); });
  }
  void add(const RoutingRule& rule) {
    container_.add_rule(rule);
    rollback_.add("delete rule " + rule.to_string(), [&container = container_, rule] { container.delete_rule(rule); });
  }
  void remove(const LinkRoute& route) {
    if (!container_.delete_route(route)) return;
    rollback_.add("add route " + route.to_string(), [&container = container_, route] { container.add_route(route); });
  }

 private:
  Netlink& container_;
  base::Rollback& rollback_;
};

/// Gives each address a table of its own, and takes the routes of the link out of the main one.
void route_by_source(Netlink& container, const net::Link& link, const std::vector<cni::IpConfig>& ips,
                     const Config& config, Change& change) {
  const auto before = main_routes(container, link);
  for (const auto& ip : ips) {
    const uint32_t table = container.free_table(kFirstTable);
    for (const auto& route : routes_of_table(ip, link, before, table, config)) change.add(route);
    change.add(rule_for(ip.address.address, table));
    cni::throw_if_interrupted();
  }
  // Those through a gateway first: they need the others.
  auto moved = routes_to_move(ips, before);
  std::stable_partition(moved.begin(), moved.end(), [](const LinkRoute& route) { return route.gw.has_value(); });
  for (const auto& route : moved) change.remove(route);
  if (!config.add_source_hints) return;
  for (const auto& hint : source_hints(ips, link)) change.add(hint);
}

/// The addresses whose rules an interface has: those it has now, and those that ADD was told of.
std::set<net::IpAddress> sources_of(const Request& request, Netlink& container) {
  std::set<net::IpAddress> sources;
  if (request.previous()) {
    for (const auto& ip : interface::ips_of(*request.previous(), request.ifname())) sources.insert(ip.address.address);
  }
  if (const auto link = container.find_link(request.ifname())) {
    for (const auto& address : container.addresses(link->index)) sources.insert(address.address.address);
  }
  return sources;
}

bool is_rule_for(const RoutingRule& rule, const net::IpAddress& source) {
  return rule.source == net::IpNet::host(source);
}

void check_route(Netlink& container, const net::Link& link, const LinkRoute& wanted, bool compare_source) {
  const auto routes = container.routes(wanted.dst.address.family(), link.index, wanted.table);
  const bool found = std::any_of(routes.begin(), routes.end(), [&](const LinkRoute& route) {
    return route.dst == wanted.dst && route.gw == wanted.gw && (!compare_source || route.source == wanted.source);
  });
  if (found) return;
  throw Error(Code::kInternal, "expected route " + wanted.to_string() + " of " + link.name + " not found in table " +
                                   std::to_string(wanted.table));
}

/// The table to which packets from the address go.
uint32_t check_rule(Netlink& container, const net::IpAddress& source, const Config& config) {
  for (const auto& rule : container.rules(source.family())) {
    if (is_rule_for(rule, source) && (!config.table || rule.table == *config.table)) return rule.table;
  }
  throw Error(Code::kInternal, "expected rule from " + source.to_string() + " not found" +
                                   (config.table ? " for table " + std::to_string(*config.table) : ""));
}

void check_table(Netlink& container, const net::Link& link, const cni::IpConfig& ip, uint32_t table,
                 const Config& config) {
  LinkRoute wanted;
  wanted.table = table;
  wanted.dst = ip.address.network();
  if (ip.address.prefix < ip.address.address.bits()) check_route(container, link, wanted, false);
  wanted.gw = gateway_of(ip, config);
  wanted.dst = {net::IpAddress::any(ip.address.address.family()), 0};
  if (wanted.gw) check_route(container, link, wanted, false);
}

}  // namespace

Result SbrPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  const auto& previous = interface::required_previous(request);
  previous.require_expressible_in(request.version());
  const auto netns = interface::open_netns(request);
  const auto ips = interface::ips_of(previous, request.ifname());

  const auto lock = interface::lock(netns);
  auto container = Netlink::in(netns);
  const auto link = container.link(request.ifname());
  base::Rollback rollback;
  Change change(container, rollback);
  if (config.table) {
    for (const auto& ip : ips) change.add(rule_for(ip.address.address, *config.table));
  } else {
    route_by_source(container, link, ips, config, change);
  }
  cni::throw_if_interrupted();
  rollback.dismiss();
  return previous;
}

void SbrPlugin::del(const Request& request) {
  std::optional<uint32_t> table;
  try {
    table = parse_table(request);
  } catch (const base::JsonError&) {
    return;  // what ADD refused has made no rules
  }
  const auto netns = interface::find_netns(request);
  if (!netns) return;
  const auto lock = interface::lock(*netns);
  auto container = Netlink::in(*netns);
  base::BestEffort cleanup;
  for (const auto& source : sources_of(request, container)) {
    for (const auto& rule : container.rules(source.family())) {
      if (!is_rule_for(rule, source) || (table && rule.table != *table)) continue;
      cleanup.attempt("delete rule " + rule.to_string(), [&] { container.delete_rule(rule); });
    }
  }
  cleanup.finish();
}

void SbrPlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  const auto& previous = interface::required_previous(request);
  auto container = Netlink::in(interface::open_netns(request));
  const auto link = container.link(request.ifname());
  const auto ips = interface::ips_of(previous, request.ifname());
  for (const auto& ip : ips) {
    const uint32_t table = check_rule(container, ip.address.address, config);
    if (!config.table) check_table(container, link, ip, table, config);
  }
  if (config.table || !config.add_source_hints) return;
  for (const auto& hint : source_hints(ips, link)) check_route(container, link, hint, true);
}

void SbrPlugin::status(const Request& request) {
  Config::parse(request);
}

}  // namespace berth::sbr
