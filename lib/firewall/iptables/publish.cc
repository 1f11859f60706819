#include <algorithm>
#include <map>

#include "base/rollback.h"
#include "firewall/iptables/chains.h"
#include "firewall/iptables/conflict.h"
#include "firewall/iptables/edits.h"
#include "firewall/iptables/iptables.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"
#include "firewall/iptables/publication.h"
#include "firewall/iptables/transaction.h"

namespace berth::firewall::iptables {

namespace {

using net::Family;

Ownership ownership(const Owner& owner) {
  return {owner, kPublishPrefix, kDnatChain, publish_comment(owner, false)};
}

/// The owner's chain: unmarked rules are recognised by the container's address in it.
std::string choose_chain(const Ownership& chains, Table& table, const Publication& publication) {
  return chains.choose(table, [&](const std::vector<Table::Found>&) {
    const auto& container = table.family() == Family::kIpv4 ? publication.container_v4 : publication.container_v6;
    const auto rules = table.rules(chains.shared());
    return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
      return container && dnat_address(table.family(), rule.target) == container->address;
    });
  });
}

void write_common(Table& table, const PublishOptions& options) {
  for (const auto& chain : common_chains(options)) {
    ensure_chain(table, chain);
  }
  for (const auto& [chain, rule, first] : common_rules(options, table.family())) {
    ensure_rule(table, chain, rule, first ? Position::kFirst : Position::kLast);
  }
}

/// The chains that all containers share go with the last published port, unless an administrator has put rules of
/// another kind into them.
void drop_common_if_unused(Table& table) {
  if (!table.has_chain(kDnatChain) || !table.rules(kDnatChain).empty()) return;
  for (const char* hook : {"PREROUTING", "OUTPUT"}) {
    while (true) {
      const auto jumps = table.rules(hook, [](const std::string& target) { return target == kDnatChain; });
      if (jumps.empty()) break;
      table.erase(hook, jumps.back().number);
    }
  }
  if (table.references(kDnatChain) == 0) table.delete_chain(kDnatChain);
  const auto holds_only = [&](const char* chain, const char* target) {
    const auto rules = table.rules(chain);
    return std::all_of(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.target.name == target; });
  };
  if (table.has_chain(kMasqChain) && holds_only(kMasqChain, "MASQUERADE"))
    remove_chain(table, kMasqChain, "POSTROUTING");
  if (table.has_chain(kSetmarkChain) && table.references(kSetmarkChain) == 0 && holds_only(kSetmarkChain, "MARK")) {
    table.flush_chain(kSetmarkChain);
    table.delete_chain(kSetmarkChain);
  }
}

std::string describe(const Rule& rule) {
  std::string text = "to " + rule.target.name;
  if (const auto port = destination_port_of(rule)) text += " for port " + std::to_string(*port);
  for (const auto port : destination_ports_of(rule)) text += " " + std::to_string(port);
  return text;
}

}  // namespace

void Iptables::publish(const Owner& owner, const Publication& publication) {
  const Ownership chains = ownership(owner);
  bool is_new = false;
  base::Rollback rollback;
  rollback.add("unpublish ports", [&] {
    if (is_new) unpublish(owner);
  });
  change_tables(
      lock_timeout_, families_of(publication),
      [&](Table& table) {
        const std::string chain = choose_chain(chains, table, publication);
        if (const auto conflict = conflict_in(table, owner, chain, publication)) {
          throw PortTaken(describe(*conflict), *conflict);
        }
        const bool was_there = table.has_chain(chain);
        write_common(table, publication.options);
        write_chain(table, chain, forwarding_rules(publication, table.family()), kDnatChain,
                    entry_rules(owner, publication, table.family(), chain, chain == chains.shared()));
        if (!was_there) is_new = true;
      },
      where_);
  rollback.dismiss();
}

std::vector<PortMapping> Iptables::unpublish(const Owner& owner) {
  const Ownership chains = ownership(owner);
  const std::string old_chain = shared_chain(kOldSnatPrefix, owner);
  std::map<Family, std::vector<PortMapping>> removed;
  change_tables(
      lock_timeout_, existing_tables(where_),
      [&](Table& table) {
        auto& ports = removed[table.family()];
        ports.clear();
        for (const auto& chain : chains.existing(table)) {
          const auto published = published_by(table.rules(chain));
          ports.insert(ports.end(), published.begin(), published.end());
          remove_chain(table, chain, kDnatChain);
        }
        if (table.has_chain(old_chain)) remove_chain(table, old_chain, kOldSnatChain);
        if (table.changed()) drop_common_if_unused(table);
      },
      where_);
  auto& all = removed[Family::kIpv4];
  const auto& v6 = removed[Family::kIpv6];
  all.insert(all.end(), v6.begin(), v6.end());
  return all;
}

void Iptables::check_published(const Owner& owner, const Publication& publication) {
  const Ownership chains = ownership(owner);
  for (const Family family : families_of(publication)) {
    const auto table = Table::read(family, where_);
    const std::string chain = choose_chain(chains, *table, publication);
    for (const auto& common : common_rules(publication.options, family)) {
      require_rule(*table, common.chain, common.rule, describe(common.rule));
    }
    for (const auto& rule : forwarding_rules(publication, family)) require_rule(*table, chain, rule, describe(rule));
    for (const auto& entry : entry_rules(owner, publication, family, chain, chain == chains.shared())) {
      require_rule(*table, kDnatChain, entry, describe(entry));
    }
  }
}

std::optional<Conflict> Iptables::find_conflict(const Owner& owner, const Publication& publication) {
  const Ownership chains = ownership(owner);
  for (const Family family : families_of(publication)) {
    if (!Table::exists(family, where_)) continue;
    const auto table = Table::read(family, where_);
    const std::string chain = choose_chain(chains, *table, publication);
    if (auto conflict = conflict_in(*table, owner, chain, publication)) return conflict;
  }
  return std::nullopt;
}

}  // namespace berth::firewall::iptables
