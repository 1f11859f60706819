#include "firewall/iptables/legacy/layout.h"

#include <netinet/in.h>
#include <sys/socket.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

namespace berth::firewall::iptables::legacy {

namespace {

static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo) && sizeof(ipt_replace) == sizeof(ip6t_replace) &&
              sizeof(ipt_get_entries) == sizeof(ip6t_get_entries));
static_assert(static_cast<int>(IPT_SO_GET_INFO) == static_cast<int>(IP6T_SO_GET_INFO) &&
              static_cast<int>(IPT_SO_GET_ENTRIES) == static_cast<int>(IP6T_SO_GET_ENTRIES) &&
              static_cast<int>(IPT_SO_SET_REPLACE) == static_cast<int>(IP6T_SO_SET_REPLACE) &&
              static_cast<int>(IPT_SO_SET_ADD_COUNTERS) == static_cast<int>(IP6T_SO_SET_ADD_COUNTERS));

constexpr Layout kV4 = {net::Family::kIpv4,
                        "iptables",
                        "ip_tables",
                        "/proc/thread-self/net/ip_tables_names",
                        AF_INET,
                        SOL_IP,
                        sizeof(ipt_entry),
                        offsetof(ipt_entry, target_offset),
                        offsetof(ipt_entry, next_offset)};

constexpr Layout kV6 = {net::Family::kIpv6,
                        "ip6tables",
                        "ip6_tables",
                        "/proc/thread-self/net/ip6_tables_names",
                        AF_INET6,
                        SOL_IPV6,
                        sizeof(ip6t_entry),
                        offsetof(ip6t_entry, target_offset),
                        offsetof(ip6t_entry, next_offset)};

}  // namespace

const Layout& layout_of(net::Family family) {
  return family == net::Family::kIpv4 ? kV4 : kV6;
}

}  // namespace berth::firewall::iptables::legacy
