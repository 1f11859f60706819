#include "firewall/nftables/port_sets.h"

#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <set>

#include "base/encode.h"
#include "base/text.h"
#include "firewall/nftables/conditions.h"
#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/matching.h"

namespace berth::firewall::nftables {

namespace {

namespace expr = netfilter::expr;
using net::Family;
using netfilter::Change;
using netfilter::Tables;

constexpr const char* kUnder = "-if-";
constexpr size_t kHashDigits = 16;

std::string chain_of(Family family, const std::string& suffix) {
  return published_set(family) + suffix;
}

bool becomes_empty(const std::string& set, const std::vector<Item>& gone, const std::string& tag) {
  return !Tables::any_element(our_table(), set, [&](const netfilter::Element& element) {
    const bool goes = std::find(gone.begin(), gone.end(), Item{set, element.key}) != gone.end();
    return !goes || netfilter::comment_of(element.userdata) != tag;
  });
}

void delete_conditional(Tables& tables, Change& change, Family family, const std::string& suffix) {
  const std::string chain = chain_of(family, suffix);
  for (const auto& rule : tables.rules(our_table(), kPublishedChain)) {
    if (netfilter::comment_of(rule.userdata) == chain) change.delete_rule(kPublishedChain, rule.handle);
  }
  change.flush_chain(chain);
  change.delete_chain(chain);
  change.delete_set(published_set(family) + suffix);
  change.delete_set(published_by_address_set(family) + suffix);
}

}  // namespace

PortSets::PortSets(const PublishOptions& options, Family family) : family_(family) {
  const bool v4 = family == Family::kIpv4;
  const auto& tokens = v4 ? options.conditions_v4 : options.conditions_v6;
  if (!tokens.empty()) {
    conditions_ = parse_conditions(tokens, family, v4 ? "conditionsV4" : "conditionsV6");
    suffix_ = kUnder + base::sha512_hex(base::join(tokens, " ")).substr(0, kHashDigits);
  }
  any_address_ = published_set(family) + suffix_;
  by_address_ = published_by_address_set(family) + suffix_;
}

void PortSets::prepare(Tables& tables, Change& change) const {
  if (suffix_.empty() || tables.has_set(our_table(), any_address_)) return;
  const std::string chain = chain_of(family_, suffix_);
  change.create_chain(chain);
  change.create_set(any_address_, port_map(family_), true);
  change.create_set(by_address_, port_by_address_map(family_), true);
  change.append_rule(chain, [&](net::Message& rule) { translate_by_address(rule, family_, by_address_); });
  change.append_rule(chain, [&](net::Message& rule) { translate(rule, family_, any_address_); });
  // Before the maps without conditions: what is said more exactly counts.
  change.insert_rule(
      kPublishedChain,
      [&](net::Message& rule) {
        require_family(rule, family_);
        conditions_(rule);
        expr::verdict(rule, NFT_JUMP, chain);
      },
      netfilter::make_comment(chain));
}

std::string PortSets::missing_part(Tables& tables) const {
  if (suffix_.empty()) return "";
  const std::string chain = chain_of(family_, suffix_);
  const auto jumps = tables.rules(our_table(), kPublishedChain);
  const bool jumps_there = std::any_of(jumps.begin(), jumps.end(),
                                       [&](const auto& rule) { return netfilter::comment_of(rule.userdata) == chain; });
  if (!jumps_there) return "the jump to chain " + chain;
  constexpr size_t kRules = 2;
  return tables.rules(our_table(), chain).size() == kRules ? "" : "a rule of chain " + chain;
}

std::optional<Family> PortSets::family_of(const std::string& set) {
  const std::string plain = set.substr(0, set.find(kUnder));
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    if (plain == published_set(family) || plain == published_by_address_set(family)) return family;
  }
  return std::nullopt;
}

void PortSets::retire(Tables& tables, Change& change, const std::vector<Item>& gone, const std::string& tag) {
  std::set<std::pair<Family, std::string>> conditional;
  for (const auto& item : gone) {
    const auto family = family_of(item.set);
    const size_t at = item.set.find(kUnder);
    if (family && at != std::string::npos) conditional.emplace(*family, item.set.substr(at));
  }
  for (const auto& [family, suffix] : conditional) {
    const bool unused = becomes_empty(published_set(family) + suffix, gone, tag) &&
                        becomes_empty(published_by_address_set(family) + suffix, gone, tag);
    if (unused) delete_conditional(tables, change, family, suffix);
  }
}

}  // namespace berth::firewall::nftables
