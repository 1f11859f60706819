#pragma once

#include <string>
#include <vector>

#include "firewall/netfilter/change.h"
#include "net/ip.h"

namespace berth::firewall::nftables {

/// The matches that raw nft tokens ask for: `ip saddr`, `ip daddr` (`ip6 …`) with an address or prefix, `iifname`,
/// `oifname`, `mark` (`meta mark`), `tcp|udp|sctp sport`, `ct state` with states, each with `!=` where it follows.
/// `key` is the configuration key they come from, for messages. Throws std::invalid_argument naming the token and the
/// key for anything else.
netfilter::Expressions parse_conditions(const std::vector<std::string>& tokens, net::Family family,
                                        const std::string& key);

}  // namespace berth::firewall::nftables
