#pragma once

#include <functional>
#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "firewall/iptables/table.h"

namespace berth::firewall::iptables {

/// Which chain is an owner's. The reference plugins name chains by network and container alone, so that two interfaces
/// of one container on one network would share one, and the DEL of either would take it from both. We give that
/// *shared* name to the first interface, so that each suite finds the other's rules in the usual case, and a name that
/// hashes the interface too (an *own* chain) to every further one. Who has the shared chain is said by Rule::mark of
/// the rules that jump to it; rules without a mark (the reference's, or ours after an iptables-restore) belong to
/// whoever the caller recognises.
class Ownership {
 public:
  /// `prefix` of the chain's name; `comment` of the rules in `parent` that jump to the shared chain.
  Ownership(Owner owner, const std::string& prefix, std::string parent, const std::string& comment);

  const std::string& shared() const { return shared_; }
  const std::string& own() const { return own_; }
  const std::string& parent() const { return parent_; }

  /// The chain to write: the one that is the owner's already, else the shared one if it is free, else the own one.
  /// `recognises` is asked whether unmarked rules are this owner's.
  std::string choose(Table& table, const std::function<bool(const std::vector<Table::Found>&)>& recognises) const;

  /// The chains of this owner that exist. Unmarked rules in the shared chain are this owner's unless it has an own
  /// chain.
  std::vector<std::string> existing(Table& table) const;

  /// The rules of the parent that jump to `chain`.
  std::vector<Table::Found> entries(Table& table, const std::string& chain) const;

 private:
  enum class Holder { kNobody, kUs, kOther, kUnmarked };
  Holder holder_of_shared(Table& table, std::vector<Table::Found>& entries) const;

  Owner owner_;
  std::string shared_;
  std::string own_;
  std::string parent_;
  Extension comment_;
};

/// Makes the chain hold exactly `rules` and `parent` jump to it by exactly `entries`. Changes nothing that is right.
void write_chain(Table& table, const std::string& chain, const std::vector<Rule>& rules, const std::string& parent,
                 const std::vector<Rule>& entries);

/// Removes a chain, its rules and every rule that jumps to it (`parent` is where they usually are).
void remove_chain(Table& table, const std::string& chain, const std::string& parent);

/// Whether the chain holds exactly `rules` and `parent` jumps to it by exactly `entries`.
bool is_written(Table& table, const std::string& chain, const std::vector<Rule>& rules, const std::string& parent,
                const std::vector<Rule>& entries);

}  // namespace berth::firewall::iptables
