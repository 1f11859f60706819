// The routes of a Netlink: RTM_{NEW,GET,DEL}ROUTE (rtnetlink(7), include/uapi/linux/rtnetlink.h).
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

using Attributes = std::array<nlattr*, RTA_MAX + 1>;

constexpr uint32_t kLargestTableInHeader = 255;

rtmsg route_header(const LinkRoute& route) {
  rtmsg header{};
  header.rtm_family = static_cast<uint8_t>(route.dst.address.address_family());
  header.rtm_dst_len = static_cast<uint8_t>(route.dst.prefix);
  header.rtm_table = static_cast<uint8_t>(route.table <= kLargestTableInHeader ? route.table : RT_TABLE_UNSPEC);
  return header;
}

void put_metrics(Message& message, const LinkRoute& route) {
  if (route.mtu == 0 && route.advmss == 0) return;
  message.nest(RTA_METRICS, [&] {
    if (route.mtu != 0) message.put_u32(RTAX_MTU, route.mtu);
    if (route.advmss != 0) message.put_u32(RTAX_ADVMSS, route.advmss);
  });
}

Message route_message(uint16_t type, const rtmsg& header, const LinkRoute& route, unsigned message_flags) {
  Message message(type, message_flags);
  message.header(header);
  if (route.dst.prefix != 0) message.put_address(RTA_DST, route.dst.network().address);
  if (route.gw) message.put_address(RTA_GATEWAY, *route.gw);
  if (route.source) message.put_address(RTA_PREFSRC, *route.source);
  if (route.device != 0) message.put_u32(RTA_OIF, static_cast<uint32_t>(route.device));
  if (route.priority != 0) message.put_u32(RTA_PRIORITY, route.priority);
  if (route.table > kLargestTableInHeader) message.put_u32(RTA_TABLE, route.table);
  put_metrics(message, route);
  return message;
}

IpAddress read_ip(Family family, nlattr* attribute) {
  return IpAddress::from_bytes(family, nla_data(attribute));
}

void read_metrics(nlattr* metrics, LinkRoute& route) {
  std::array<nlattr*, RTAX_MAX + 1> tb{};
  nla_parse_nested(tb.data(), RTAX_MAX, metrics, nullptr);
  if (tb[RTAX_MTU] != nullptr) route.mtu = nla_get_u32(tb[RTAX_MTU]);
  if (tb[RTAX_ADVMSS] != nullptr) route.advmss = nla_get_u32(tb[RTAX_ADVMSS]);
}

/// The hops of a multipath route, each as a route of its own.
void read_hops(nlattr* multipath, Family family, const LinkRoute& whole, std::vector<LinkRoute>& routes) {
  auto left = nla_len(multipath);
  for (auto* hop = static_cast<rtnexthop*>(nla_data(multipath)); RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
    LinkRoute route = whole;
    route.device = hop->rtnh_ifindex;
    route.on_link = (hop->rtnh_flags & RTNH_F_ONLINK) != 0;
    const int attributes = hop->rtnh_len - static_cast<int>(sizeof(rtnexthop));
    auto* gateway = nla_find(reinterpret_cast<nlattr*>(RTNH_DATA(hop)), attributes, RTA_GATEWAY);
    if (gateway != nullptr) route.gw = read_ip(family, gateway);
    routes.push_back(route);
    left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
  }
}

void read_route(nlmsghdr* message, Family family, std::vector<LinkRoute>& routes) {
  Attributes tb{};
  nlmsg_parse(message, sizeof(rtmsg), tb.data(), RTA_MAX, nullptr);
  const auto* info = static_cast<const rtmsg*>(nlmsg_data(message));
  const bool is_cached = (info->rtm_flags & RTM_F_CLONED) != 0;
  const bool is_ours = info->rtm_family == IpAddress::any(family).address_family();
  if (!is_ours || is_cached || info->rtm_type != RTN_UNICAST) return;
  LinkRoute route;
  route.dst = {tb[RTA_DST] != nullptr ? read_ip(family, tb[RTA_DST]) : IpAddress::any(family), info->rtm_dst_len};
  route.table = tb[RTA_TABLE] != nullptr ? nla_get_u32(tb[RTA_TABLE]) : info->rtm_table;
  route.scope = info->rtm_scope;
  route.protocol = info->rtm_protocol;
  route.on_link = (info->rtm_flags & RTNH_F_ONLINK) != 0;
  if (tb[RTA_GATEWAY] != nullptr) route.gw = read_ip(family, tb[RTA_GATEWAY]);
  if (tb[RTA_PREFSRC] != nullptr) route.source = read_ip(family, tb[RTA_PREFSRC]);
  if (tb[RTA_OIF] != nullptr) route.device = static_cast<int>(nla_get_u32(tb[RTA_OIF]));
  if (tb[RTA_PRIORITY] != nullptr) route.priority = nla_get_u32(tb[RTA_PRIORITY]);
  if (tb[RTA_METRICS] != nullptr) read_metrics(tb[RTA_METRICS], route);
  if (tb[RTA_MULTIPATH] != nullptr) {
    read_hops(tb[RTA_MULTIPATH], family, route, routes);
  } else {
    routes.push_back(route);
  }
}

}  // namespace

void Netlink::add_route(const LinkRoute& route) {
  auto header = route_header(route);
  header.rtm_type = RTN_UNICAST;
  header.rtm_protocol = route.protocol;
  header.rtm_scope = route.scope;
  if (route.on_link) header.rtm_flags |= RTNH_F_ONLINK;
  connection_->change(route_message(RTM_NEWROUTE, header, route, NLM_F_CREATE), "add route " + route.to_string());
}

bool Netlink::delete_route(const LinkRoute& route) {
  auto header = route_header(route);
  header.rtm_scope = RT_SCOPE_NOWHERE;
  return connection_->try_change(route_message(RTM_DELROUTE, header, route, 0), "delete route " + route.to_string(),
                                 {ESRCH, ENODEV});
}

std::vector<LinkRoute> Netlink::routes(Family family, int device, uint32_t table) {
  return list_routes(family, device, table);
}

std::vector<LinkRoute> Netlink::routes_of_all_tables(Family family, int device) {
  return list_routes(family, device, RT_TABLE_UNSPEC);
}

std::vector<LinkRoute> Netlink::list_routes(Family family, int device, uint32_t table) {
  LinkRoute filter;
  filter.dst = {IpAddress::any(family), 0};
  filter.device = device;
  filter.table = table;
  std::vector<LinkRoute> all;
  connection_->dump(
      route_message(RTM_GETROUTE, route_header(filter), filter, 0), "list routes", [&] { all.clear(); },
      [&](nlmsghdr* answer) { read_route(answer, family, all); });
  // Kernels that do not filter dumps send everything.
  std::erase_if(all, [&](const LinkRoute& route) {
    return (table != RT_TABLE_UNSPEC && route.table != table) || (device != 0 && route.device != device);
  });
  return all;
}

std::optional<int> Netlink::default_route_device() {
  for (const auto family : {Family::kIpv4, Family::kIpv6}) {
    for (const auto& route : routes(family)) {
      if (route.dst.prefix == 0 && route.device != 0) return route.device;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Netlink::route_device(const IpAddress& destination) {
  LinkRoute question;
  question.dst = IpNet::host(destination);
  question.table = RT_TABLE_UNSPEC;
  int device = 0;
  connection_->ask(route_message(RTM_GETROUTE, route_header(question), question, 0),
                   "find the route to " + destination.to_string(), {ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES},
                   [&](nlmsghdr* answer) {
                     auto* out = nlmsg_find_attr(answer, sizeof(rtmsg), RTA_OIF);
                     if (out != nullptr) device = static_cast<int>(nla_get_u32(out));
                   });
  if (device == 0) return std::nullopt;
  const auto link = find_link(device);
  return link ? std::optional(link->name) : std::nullopt;
}

}  // namespace berth::net
