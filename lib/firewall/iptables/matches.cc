#include "firewall/iptables/matches.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

// The kernel's header is C: it says _Bool, and leaves a macro called bytes.
#define _Bool bool  // NOLINT(bugprone-reserved-identifier)
#include <linux/netfilter/xt_sctp.h>
#undef bytes
#undef _Bool

namespace berth::firewall::iptables {

namespace {

static_assert(alignof(uint64_t) == __ALIGN_KERNEL(1, alignof(_xt_align)), "make_extension pads as XT_ALIGN does");

/// The parameters of the first match of this name and revision.
template <class Parameters>
std::optional<Parameters> find(const Rule& rule, const char* name, uint8_t revision) {
  for (const auto& match : rule.matches) {
    if (match.name != name || match.revision != revision || match.data.size() < sizeof(Parameters)) continue;
    Parameters parameters;
    std::memcpy(&parameters, match.data.data(), sizeof parameters);
    return parameters;
  }
  return std::nullopt;
}

}  // namespace

Extension comment(const std::string& text) {
  constexpr size_t kLimit = XT_MAX_COMMENT_LEN - 1;
  const std::string kept = text.size() <= kLimit ? text : text.substr(0, kLimit - 3) + "...";
  xt_comment_info info{};
  std::memcpy(info.comment, kept.data(), kept.size());
  return make_extension("comment", 0, info);
}

std::string comment_of(const Rule& rule) {
  const auto info = find<xt_comment_info>(rule, "comment", 0);
  return info ? std::string(info->comment, strnlen(info->comment, sizeof info->comment)) : std::string();
}

Extension destination_port(uint8_t protocol, uint16_t port) {
  if (protocol == IPPROTO_TCP) {
    xt_tcp tcp{};
    tcp.spts[1] = 0xffff;
    tcp.dpts[0] = tcp.dpts[1] = port;
    return make_extension("tcp", 0, tcp);
  }
  if (protocol == IPPROTO_UDP) {
    xt_udp udp{};
    udp.spts[1] = 0xffff;
    udp.dpts[0] = udp.dpts[1] = port;
    return make_extension("udp", 0, udp);
  }
  xt_sctp_info sctp{};
  sctp.dpts[0] = sctp.dpts[1] = port;
  sctp.flags = XT_SCTP_DEST_PORTS;
  for (auto& flag : sctp.flag_info) flag.chunktype = 0xff;
  return make_extension("sctp", 0, sctp);
}

std::optional<uint16_t> destination_port_of(const Rule& rule) {
  if (const auto tcp = find<xt_tcp>(rule, "tcp", 0)) return tcp->dpts[0];
  if (const auto udp = find<xt_udp>(rule, "udp", 0)) return udp->dpts[0];
  if (const auto sctp = find<xt_sctp_info>(rule, "sctp", 0)) return sctp->dpts[0];
  return std::nullopt;
}

Extension destination_ports(const std::vector<uint16_t>& ports) {
  static_assert(kMultiportLimit == XT_MULTI_PORTS);
  xt_multiport_v1 multiport{};
  multiport.flags = XT_MULTIPORT_DESTINATION;
  multiport.count = static_cast<uint8_t>(ports.size());
  std::copy(ports.begin(), ports.end(), multiport.ports);
  return make_extension("multiport", 1, multiport);
}

std::vector<uint16_t> destination_ports_of(const Rule& rule) {
  std::vector<uint16_t> ports;
  const auto multiport = find<xt_multiport_v1>(rule, "multiport", 1);
  if (!multiport || multiport->flags == XT_MULTIPORT_SOURCE || multiport->invert != 0) return ports;
  const size_t count = std::min<size_t>(multiport->count, XT_MULTI_PORTS);
  for (size_t i = 0; i < count; ++i) {
    const bool range = multiport->pflags[i] != 0 && i + 1 < count;
    const unsigned last = multiport->ports[range ? i + 1 : i];
    for (unsigned port = multiport->ports[i]; port <= last; ++port) ports.push_back(static_cast<uint16_t>(port));
    if (range) ++i;
  }
  return ports;
}

Extension local_destination() {
  xt_addrtype_info_v1 info{};
  info.dest = XT_ADDRTYPE_LOCAL;
  return make_extension("addrtype", 1, info);
}

Extension packet_mark(uint32_t value, uint32_t mask, bool inverted) {
  xt_mark_mtinfo1 info{};
  info.mark = value;
  info.mask = mask;
  info.invert = inverted ? 1 : 0;
  return make_extension("mark", 1, info);
}

Extension related_or_established() {
  xt_conntrack_mtinfo3 info{};
  info.match_flags = XT_CONNTRACK_STATE;
  info.state_mask = XT_CONNTRACK_STATE_BIT(IP_CT_RELATED) | XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED);
  return make_extension("conntrack", 3, info);
}

Extension set_mark(uint32_t value, uint32_t mask) {
  xt_mark_tginfo2 info{};
  info.mark = value;
  info.mask = mask;
  return make_extension("MARK", 2, info);
}

Extension masquerade_target(net::Family family) {
  if (family == net::Family::kIpv6) return make_extension("MASQUERADE", 0, nf_nat_range{});
  nf_nat_ipv4_multi_range_compat range{};
  range.rangesize = 1;
  return make_extension("MASQUERADE", 0, range);
}

Extension dnat(const net::IpAddress& address, uint16_t port) {
  nf_nat_range2 range{};
  range.flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
  std::memcpy(&range.min_addr, address.bytes(), address.size());
  range.max_addr = range.min_addr;
  range.min_proto.all = htons(port);
  range.max_proto = range.min_proto;
  return make_extension("DNAT", 2, range);
}

std::optional<net::IpAddress> dnat_address(net::Family family, const Extension& target) {
  if (target.name != "DNAT" || target.revision != 2 || target.data.size() < sizeof(nf_nat_range2)) return std::nullopt;
  nf_nat_range2 range;
  std::memcpy(&range, target.data.data(), sizeof range);
  return net::IpAddress::from_bytes(family, &range.min_addr);
}

}  // namespace berth::firewall::iptables
