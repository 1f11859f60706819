#include <algorithm>
#include <map>

#include "firewall/iptables/chains.h"
#include "firewall/iptables/iptables.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"
#include "firewall/iptables/transaction.h"

namespace berth::firewall::iptables {

namespace {

/// CNI- and 24 hexadecimal digits: neither a published container's chain nor one of those all containers share.
bool is_masquerade_chain(const std::string& name) {
  const std::string prefix = kMasqueradePrefix;
  return name.size() == 28 && name.starts_with(prefix) &&
         name.find_first_not_of("0123456789abcdef", prefix.size()) == std::string::npos;
}

bool is_publish_chain(const std::string& name) {
  return name.starts_with(kPublishPrefix);
}

/// The chains that belong to containers, and whose they are as far as comments tell.
std::map<std::string, Owner> owned_chains(Table& table) {
  std::map<std::string, Owner> owners;
  const auto note = [&](const std::string& chain, const Rule& rule) {
    if (const auto owner = parse_comment(comment_of(rule))) owners.emplace(chain, *owner);
  };
  for (const auto& [number, rule] : table.rules("POSTROUTING", is_masquerade_chain)) note(rule.target.name, rule);
  for (const auto& [number, rule] : table.rules(kDnatChain, is_publish_chain)) note(rule.target.name, rule);
  // A chain that nothing jumps to: the reference's, when it was stopped half-way.
  for (const auto& chain : table.chains()) {
    if (!is_masquerade_chain(chain) || owners.contains(chain)) continue;
    for (const auto& rule : table.rules(chain)) note(chain, rule);
  }
  return owners;
}

}  // namespace

void Iptables::collect_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid) {
  change_tables(
      lock_timeout_, existing_tables(where_),
      [&](Table& table) {
        for (const auto& [chain, owner] : owned_chains(table)) {
          if (owner.network != network || is_valid(owner)) continue;
          remove_chain(table, chain, is_publish_chain(chain) ? kDnatChain : "POSTROUTING");
        }
      },
      where_);
}

}  // namespace berth::firewall::iptables
