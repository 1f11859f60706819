#include "firewall/iptables/chains.h"

#include <algorithm>

#include "firewall/iptables/edits.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"

namespace berth::firewall::iptables {

Ownership::Ownership(Owner owner, const std::string& prefix, std::string parent, const std::string& comment)
    : owner_(std::move(owner)),
      shared_(shared_chain(prefix, owner_)),
      own_(own_chain(prefix, owner_)),
      parent_(std::move(parent)),
      comment_(iptables::comment(comment)) {}

std::vector<Table::Found> Ownership::entries(Table& table, const std::string& chain) const {
  return jumps(table, parent_, chain);
}

Ownership::Holder Ownership::holder_of_shared(Table& table, std::vector<Table::Found>& found) const {
  found = entries(table, shared_);
  if (found.empty()) return Holder::kNobody;
  for (const auto& [number, rule] : found) {
    if (rule.mark != 0) return rule.mark == ifname_mark(owner_.ifname) ? Holder::kUs : Holder::kOther;
  }
  // Network and container are hashed with nothing between: "a"+"bc" and "ab"+"c" have one name.
  const auto& matches = found.front().rule.matches;
  return std::find(matches.begin(), matches.end(), comment_) == matches.end() ? Holder::kOther : Holder::kUnmarked;
}

std::string Ownership::choose(Table& table,
                              const std::function<bool(const std::vector<Table::Found>&)>& recognises) const {
  if (table.has_chain(own_)) return own_;
  if (!table.has_chain(shared_)) return shared_;
  std::vector<Table::Found> found;
  switch (holder_of_shared(table, found)) {
    case Holder::kNobody:
    case Holder::kUs:
      return shared_;
    case Holder::kUnmarked:
      return recognises(found) ? shared_ : own_;
    case Holder::kOther:
      break;
  }
  return own_;
}

std::vector<std::string> Ownership::existing(Table& table) const {
  std::vector<std::string> chains;
  if (table.has_chain(own_)) chains.push_back(own_);
  if (!table.has_chain(shared_)) return chains;
  std::vector<Table::Found> found;
  const Holder holder = holder_of_shared(table, found);
  const bool unclaimed = holder == Holder::kUnmarked && chains.empty();
  if (holder == Holder::kUs || holder == Holder::kNobody || unclaimed) chains.push_back(shared_);
  return chains;
}

void write_chain(Table& table, const std::string& chain, const std::vector<Rule>& rules, const std::string& parent,
                 const std::vector<Rule>& entries) {
  ensure_chain(table, chain);
  const auto present = table.rules(chain);
  if (present != rules) {
    if (!present.empty()) table.flush_chain(chain);
    for (const Rule& rule : rules) table.append(chain, rule);
  }
  const auto present_entries = jumps(table, parent, chain);
  std::vector<Table::Found> surplus;
  std::vector<Rule> kept;
  for (const auto& found : present_entries) {
    if (holds(entries, found.rule) && !holds(kept, found.rule)) {
      kept.push_back(found.rule);
    } else {
      surplus.push_back(found);
    }
  }
  erase_all(table, parent, surplus);
  for (const Rule& entry : entries) {
    if (!holds(kept, entry)) table.append(parent, entry);
  }
}

void remove_chain(Table& table, const std::string& chain, const std::string& parent) {
  erase_all(table, parent, jumps(table, parent, chain));
  if (table.references(chain) != 0) {
    for (const auto& other : table.chains()) erase_all(table, other, jumps(table, other, chain));
  }
  table.flush_chain(chain);
  table.delete_chain(chain);
}

bool is_written(Table& table, const std::string& chain, const std::vector<Rule>& rules, const std::string& parent,
                const std::vector<Rule>& entries) {
  if (!table.has_chain(chain) || table.rules(chain) != rules) return false;
  const auto found = jumps(table, parent, chain);
  return found.size() == entries.size() &&
         std::all_of(found.begin(), found.end(), [&](const auto& entry) { return holds(entries, entry.rule); });
}

}  // namespace berth::firewall::iptables
