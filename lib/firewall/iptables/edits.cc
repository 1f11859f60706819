#include "firewall/iptables/edits.h"

#include <algorithm>
#include <stdexcept>

namespace berth::firewall::iptables {

std::vector<Table::Found> jumps(Table& table, const std::string& from, const std::string& chain) {
  return table.rules(from, [&](const std::string& target) { return target == chain; });
}

bool holds(const std::vector<Rule>& rules, const Rule& rule) {
  return std::find(rules.begin(), rules.end(), rule) != rules.end();
}

void erase_all(Table& table, const std::string& chain, const std::vector<Table::Found>& found) {
  // From the last on, so that the numbers of the others stay right.
  std::for_each(found.rbegin(), found.rend(), [&](const Table::Found& each) { table.erase(chain, each.number); });
}

void ensure_chain(Table& table, const std::string& chain) {
  if (!table.has_chain(chain)) table.create_chain(chain);
}

void ensure_rule(Table& table, const std::string& chain, const Rule& rule, Position position) {
  if (holds(table.rules(chain), rule)) return;
  if (position == Position::kFirst) {
    table.insert_first(chain, rule);
  } else {
    table.append(chain, rule);
  }
}

void require_rule(Table& table, const std::string& chain, const Rule& rule, const std::string& what) {
  const std::string where = "chain " + chain + " of the " + table.description();
  if (!table.has_chain(chain)) throw std::runtime_error(where + " is missing");
  if (!holds(table.rules(chain), rule)) throw std::runtime_error(where + " lacks the rule " + what);
}

void delete_if_unused(Table& table, const std::string& chain) {
  if (table.has_chain(chain) && table.rules(chain).empty() && table.references(chain) == 0) table.delete_chain(chain);
}

}  // namespace berth::firewall::iptables
