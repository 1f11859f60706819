#include <algorithm>

#include "base/rollback.h"
#include "firewall/iptables/chains.h"
#include "firewall/iptables/iptables.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"
#include "firewall/iptables/transaction.h"

namespace berth::firewall::iptables {

namespace {

using net::Family;
using net::IpNet;

constexpr const char* kPostrouting = "POSTROUTING";

Ownership ownership(const Owner& owner) {
  return {owner, kMasqueradePrefix, kPostrouting, owner_comment(owner, false)};
}

std::vector<IpNet> of_family(const std::vector<IpNet>& addresses, Family family) {
  std::vector<IpNet> result;
  for (const auto& address : addresses) {
    if (address.address.family() == family) result.push_back(address);
  }
  return result;
}

std::vector<Family> families_of(const std::vector<IpNet>& addresses) {
  std::vector<Family> families;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    if (!of_family(addresses, family).empty()) families.push_back(family);
  }
  return families;
}

/// What masquerading some addresses of one family takes.
struct Plan {
  std::vector<Rule> rules;    ///< Of the owner's chain.
  std::vector<Rule> entries;  ///< Of POSTROUTING.
};

void add_unless_present(std::vector<Rule>& rules, Rule rule) {
  if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(std::move(rule));
}

Plan make_plan(const Owner& owner, const std::string& chain, bool shared, Family family,
               const std::vector<IpNet>& addresses) {
  Rule base(family);
  base.matches = {comment(owner_comment(owner, !shared))};
  if (shared) base.mark = ifname_mark(owner.ifname);

  Plan plan;
  for (const auto& address : addresses) {
    Rule accept = base;
    accept.destination.net = address.network();
    accept.target.name = "ACCEPT";
    add_unless_present(plan.rules, accept);

    Rule entry = base;
    entry.source.net = IpNet::host(address.address);
    entry.target.name = chain;
    add_unless_present(plan.entries, entry);
  }
  Rule masquerade = base;
  masquerade.destination = {IpNet::parse(family == Family::kIpv4 ? "224.0.0.0/4" : "ff00::/8"), true};
  masquerade.target = masquerade_target(family);
  plan.rules.push_back(masquerade);
  return plan;
}

std::string choose_chain(const Ownership& chains, Table& table, const std::vector<IpNet>& addresses) {
  return chains.choose(table, [&](const std::vector<Table::Found>& entries) {
    return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
      return std::any_of(addresses.begin(), addresses.end(), [&](const IpNet& address) {
        // Very old rules of the reference have the subnet as source.
        return entry.rule.source.net == IpNet::host(address.address) || entry.rule.source.net == address.network();
      });
    });
  });
}

}  // namespace

void Iptables::masquerade(const Owner& owner, const std::vector<IpNet>& addresses) {
  const Ownership chains = ownership(owner);
  bool is_new = false;
  base::Rollback rollback;
  rollback.add("stop masquerading", [&] {
    if (is_new) unmasquerade(owner);
  });
  change_tables(
      lock_timeout_, families_of(addresses),
      [&](Table& table) {
        const auto mine = of_family(addresses, table.family());
        const std::string chain = choose_chain(chains, table, mine);
        const Plan plan = make_plan(owner, chain, chain == chains.shared(), table.family(), mine);
        if (!table.has_chain(chain)) is_new = true;
        write_chain(table, chain, plan.rules, kPostrouting, plan.entries);
      },
      where_);
  rollback.dismiss();
}

void Iptables::unmasquerade(const Owner& owner) {
  const Ownership chains = ownership(owner);
  change_tables(
      lock_timeout_, existing_tables(where_),
      [&](Table& table) {
        for (const auto& chain : chains.existing(table)) remove_chain(table, chain, kPostrouting);
      },
      where_);
}

bool Iptables::is_masqueraded(const Owner& owner, const std::vector<IpNet>& addresses) {
  const Ownership chains = ownership(owner);
  for (const Family family : families_of(addresses)) {
    if (!Table::exists(family, where_)) return false;
    const auto table = Table::read(family, where_);
    const auto mine = of_family(addresses, family);
    const std::string chain = choose_chain(chains, *table, mine);
    const Plan plan = make_plan(owner, chain, chain == chains.shared(), family, mine);
    if (!is_written(*table, chain, plan.rules, kPostrouting, plan.entries)) return false;
  }
  return true;
}

}  // namespace berth::firewall::iptables
