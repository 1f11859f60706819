#pragma once

#include <optional>
#include <string>
#include <vector>

#include "firewall/admission.h"
#include "firewall/nftables/holdings.h"

/// The part of our table that says what is forwarded. It is made with the first container that is admitted:
///
///     chain forward      filter, forward  jump isolation; jump administrators
///                                         ct state established,related ip daddr @admitted4 accept
///                                         ip saddr @admitted4 accept               (and the same for IPv6)
///                                         jump not-admitted
///     chain isolation                     iifname . oifname @within-bridge return
///                                         iifname @restricted oifname @restricted drop
///     chain administrators                jump CNI-ADMIN       (iptablesAdminChainName)
///     chain CNI-ADMIN                     empty, for administrators
///     chain not-admitted                  empty, for administrators
///     set restricted                      bridges that an ingressPolicy other than `open` was asked for
///     set within-bridge                   BRIDGE . BRIDGE of those whose containers may reach each other
namespace berth::firewall::nftables {

inline constexpr const char* kNotAdmittedChain = "not-admitted";

std::string admitted_set(net::Family family);

/// Adds of the above what is not there; `admin_chain` gets its jump.
void prepare_forwarding(netfilter::Tables& tables, netfilter::Change& change, const std::string& admin_chain);
/// What of it is not there; nullopt if all is.
std::optional<std::string> missing_forwarding(netfilter::Tables& tables, const std::string& admin_chain);

/// Restricts a bridge; one that is isolated stays so.
void restrict_bridge(netfilter::Tables& tables, netfilter::Change& change, const std::string& bridge,
                     IngressPolicy policy);
/// Whether it is at least so restricted.
bool is_restricted(netfilter::Tables& tables, const std::string& bridge, IngressPolicy policy);
std::vector<std::string> restricted_bridges(netfilter::Tables& tables);
void lift_restriction(netfilter::Tables& tables, netfilter::Change& change, const std::string& bridge);

/// Whether administrators have put rules into chains of theirs (CNI-ADMIN, not-admitted).
bool has_rules_of_administrators(netfilter::Tables& tables);

}  // namespace berth::firewall::nftables
