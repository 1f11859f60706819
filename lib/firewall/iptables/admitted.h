#pragma once

#include <optional>
#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "firewall/iptables/table.h"

/// The rules of CNI-FORWARD that let single addresses through.
namespace berth::firewall::iptables {

/// One address that is let through, by a pair of rules: `-d A -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT` and
/// `-s A -j ACCEPT`, exactly as the reference makes them, so that either suite deletes what the other added. They do
/// not say whose they are; of those we make, the mark (Rule::mark) of the first tells the network and that of the
/// second the owner. Two owners may have the same address (the first was never deleted): then there are two pairs.
struct Admitted {
  net::IpAddress address;
  std::optional<unsigned> incoming;  ///< Number of the first rule in the chain.
  std::optional<unsigned> outgoing;  ///< Number of the second.
  uint32_t network = 0;              ///< network_mark; 0: not said.
  uint32_t owner = 0;                ///< owner_mark; 0: not said.

  bool is_whole() const { return incoming && outgoing; }
};

/// All pairs in CNI-FORWARD, also those of which one rule is missing.
std::vector<Admitted> admitted(Table& table);

/// Makes the owner's pair for this address, or takes over one that is nobody's. False if it is there already.
bool admit(Table& table, const Owner& owner, const net::IpAddress& address);

/// Erases those pairs that `unwanted` picks.
void dismiss(Table& table, const std::function<bool(const Admitted&)>& unwanted);

/// Throws std::runtime_error naming the rule that is missing for this address, whoever's it is.
void require_admitted(Table& table, const net::IpAddress& address);

}  // namespace berth::firewall::iptables
