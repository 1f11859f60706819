#pragma once

#include <string>
#include <vector>

#include "firewall/iptables/table.h"

/// Small questions and changes that the parts of this backend have in common.
namespace berth::firewall::iptables {

/// The rules of `from` that jump to `chain`.
std::vector<Table::Found> jumps(Table& table, const std::string& from, const std::string& chain);

bool holds(const std::vector<Rule>& rules, const Rule& rule);

/// Erases rules of a chain; `found` in the order of their numbers.
void erase_all(Table& table, const std::string& chain, const std::vector<Table::Found>& found);

void ensure_chain(Table& table, const std::string& chain);

enum class Position { kFirst, kLast };
/// Adds the rule unless the chain holds it, wherever.
void ensure_rule(Table& table, const std::string& chain, const Rule& rule, Position position);

/// Throws std::runtime_error "chain CHAIN of the iptables table nat is missing", or "… lacks the rule WHAT".
void require_rule(Table& table, const std::string& chain, const Rule& rule, const std::string& what);

/// Deletes the chain if it is there, empty and no rule jumps to it.
void delete_if_unused(Table& table, const std::string& chain);

}  // namespace berth::firewall::iptables
