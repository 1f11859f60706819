#pragma once

#include <optional>
#include <string>

#include "firewall/netfilter/change.h"
#include "firewall/netfilter/tables.h"
#include "net/ip.h"

/// Our own table, `inet berth`: chains and rules whose number does not depend on how many containers there are, and the
/// sets and maps they look into.
///
///     chain prerouting   nat, dstnat      fib daddr type local jump published
///     chain output       nat, dstnat      fib daddr type local jump published
///     chain published                     [jumps under conditions]
///                                         dnat ip to ip daddr . meta l4proto . th dport map @published4-by-address
///                                         dnat ip to meta l4proto . th dport map @published4   (and the same for IPv6)
///     chain postrouting  nat, srcnat      ct status dnat jump hairpin; jump leaving
///     chain hairpin                       127.0.0.0/8 to @loopback4, all to @masquerade-all4, a subnet to itself
///     chain leaving                       a rule and a set for each subnet of a network
///     chain martians     filter, raw      127.0.0.0/8 arrives through lo only
///     set owners                          what each owner has in the others (ledger.h)
///
/// What is forwarded comes with the first container that is admitted: forwarding.h.
namespace berth::firewall::nftables {

/// The table that everything is in.
const netfilter::TableName& our_table();

inline constexpr const char* kPublishedChain = "published";
inline constexpr const char* kHairpinChain = "hairpin";
inline constexpr const char* kMasqueradeChain = "leaving";
inline constexpr const char* kOwners = "owners";

/// Names of the sets for one family.
std::string published_set(net::Family family);
std::string published_by_address_set(net::Family family);
std::string masquerade_all_set(net::Family family);
/// IPv4 only: whom local clients that come from 127.0.0.0/8 may reach.
inline constexpr const char* kLoopbackSet = "loopback4";

/// Adds the table with its chains, rules and sets, all at once; for when there is none.
void create_table(netfilter::Change& change);

/// What the table lacks of the above, by name; nullopt if it is whole.
std::optional<std::string> missing_part(netfilter::Tables& tables);

}  // namespace berth::firewall::nftables
