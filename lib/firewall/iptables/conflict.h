#pragma once

#include <optional>
#include <string>

#include "firewall/firewall.h"
#include "firewall/iptables/table.h"

namespace berth::firewall::iptables {

/// The first port of `publication` that a chain other than the owner's `chain` publishes for another container; see
/// Firewall::find_conflict. Also sees what the reference plugins published.
std::optional<Conflict> conflict_in(Table& table, const Owner& owner, const std::string& chain,
                                    const Publication& publication);

}  // namespace berth::firewall::iptables
