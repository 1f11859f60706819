#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "firewall/firewall.h"

/// Names of chains and texts of comments: the reference plugins' own, so that each suite finds what the other made.
namespace berth::firewall::iptables {

inline constexpr const char* kMasqueradePrefix = "CNI-";
inline constexpr const char* kPublishPrefix = "CNI-DN-";
inline constexpr const char* kOldSnatPrefix = "CNI-SN-";  ///< Before 2018.

inline constexpr const char* kDnatChain = "CNI-HOSTPORT-DNAT";
inline constexpr const char* kSetmarkChain = "CNI-HOSTPORT-SETMARK";
inline constexpr const char* kMasqChain = "CNI-HOSTPORT-MASQ";
inline constexpr const char* kOldSnatChain = "CNI-HOSTPORT-SNAT";

inline constexpr const char* kForwardChain = "CNI-FORWARD";
inline constexpr const char* kIsolationStage1 = "CNI-ISOLATION-STAGE-1";
inline constexpr const char* kIsolationStage2 = "CNI-ISOLATION-STAGE-2";

/// PREFIX and so much of the hash of network and container id that 28 bytes come out.
std::string shared_chain(const std::string& prefix, const Owner& owner);
/// The same with the interface name hashed too; see Ownership in chains.h.
std::string own_chain(const std::string& prefix, const Owner& owner);

/// `name: "NETWORK" id: "ID"`, in an own chain followed by ` if: "IFNAME"`.
std::string owner_comment(const Owner& owner, bool with_ifname);
/// The same after "dnat ".
std::string publish_comment(const Owner& owner, bool with_ifname);
/// Reads both kinds back. nullopt for anything else, also for a comment that was cut.
std::optional<Owner> parse_comment(const std::string& text);

/// The mark (Rule::mark) by which an interface's rules in a shared chain are told from another one's. Never 0.
uint32_t ifname_mark(const std::string& ifname);
/// Marks that tell an owner's, or a network's, rules in CNI-FORWARD from others. Never 0.
uint32_t owner_mark(const Owner& owner);
uint32_t network_mark(const std::string& network);

}  // namespace berth::firewall::iptables
