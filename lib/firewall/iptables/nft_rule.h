#pragma once

#include <functional>
#include <string>

#include "firewall/iptables/rule.h"
#include "firewall/netfilter/tables.h"

/// Rules as iptables-nft keeps them in nf_tables: addresses, interfaces and protocol as expressions, everything else as
/// x_tables matches and targets (the `match` and `target` expressions of nft_compat).
namespace berth::firewall::iptables {

/// The type of the user data TLV in which a rule's mark is; iptables and nft pass over it.
inline constexpr uint8_t kMarkType = 0xbe;

/// Appends what the rule says to a NFT_MSG_NEWRULE: NFTA_RULE_EXPRESSIONS, NFTA_RULE_COMPAT and the mark as user data.
void encode_nft(net::Message& message, const Rule& rule);

/// The rule that these expressions are. Port and mark matches that iptables-nft writes as plain expressions become the
/// matches they stand for; an expression that means nothing to us becomes a match of a name that no rule of ours has.
Rule decode_nft(net::Family family, const netfilter::ListedRule& listed);

}  // namespace berth::firewall::iptables
