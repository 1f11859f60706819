#include "firewall/nftables/forwarding.h"

#include <net/if.h>
#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <set>

#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/matching.h"

namespace berth::firewall::nftables {

namespace {

namespace expr = netfilter::expr;
using net::Family;
using net::Message;
using netfilter::Change;
using netfilter::Expressions;
using netfilter::Tables;

constexpr const char* kForwardChain = "forward";
constexpr const char* kIsolationChain = "isolation";
constexpr const char* kRestricted = "restricted";
constexpr const char* kWithinBridge = "within-bridge";
constexpr const char* kAdministratorsChain = "administrators";

/// A rule, and the comment by which it is found again.
struct Rule {
  const char* chain;
  std::string comment;
  Expressions expressions;
};

Expressions jump(const std::string& chain) {
  return [chain](Message& rule) { expr::verdict(rule, NFT_JUMP, chain); };
}

void within_bridge(Message& rule) {
  expr::load_meta(rule, NFT_META_IIFNAME, expr::kRegister1);
  expr::load_meta(rule, NFT_META_OIFNAME, expr::kRegister2);
  expr::lookup(rule, kWithinBridge, expr::kRegister1);
  expr::verdict(rule, NFT_RETURN);
}

void between_restricted(Message& rule) {
  for (const uint32_t key : {NFT_META_IIFNAME, NFT_META_OIFNAME}) {
    expr::load_meta(rule, key, expr::kRegister1);
    expr::lookup(rule, kRestricted, expr::kRegister1);
  }
  expr::verdict(rule, NF_DROP);
}

Expressions answers_to_admitted(Family family) {
  return [family](Message& rule) {
    expr::load_ct(rule, NFT_CT_STATE, expr::kRegister1);
    expr::mask(rule, expr::kRegister1,
               expr::number(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)));
    expr::compare(rule, expr::kRegister1, NFT_CMP_NEQ, expr::number(0));
    require_family(rule, family);
    load_destination(rule, family, expr::kRegister1);
    expr::lookup(rule, admitted_set(family), expr::kRegister1);
    expr::verdict(rule, NF_ACCEPT);
  };
}

Expressions from_admitted(Family family) {
  return [family](Message& rule) {
    require_family(rule, family);
    load_source(rule, family, expr::kRegister1);
    expr::lookup(rule, admitted_set(family), expr::kRegister1);
    expr::verdict(rule, NF_ACCEPT);
  };
}

/// All but the jump to an administrators' chain, in their order.
std::vector<Rule> fixed_rules() {
  std::vector<Rule> rules{
      {kIsolationChain, "within a bridge", within_bridge},
      {kIsolationChain, "between restricted bridges, and within isolated ones", between_restricted},
      {kForwardChain, "bridges are kept apart", jump(kIsolationChain)},
      {kForwardChain, "rules of administrators", jump(kAdministratorsChain)},
  };
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const std::string version = family == Family::kIpv4 ? "IPv4" : "IPv6";
    rules.push_back({kForwardChain, "answers to admitted containers, " + version, answers_to_admitted(family)});
    rules.push_back({kForwardChain, "from admitted containers, " + version, from_admitted(family)});
  }
  rules.push_back({kForwardChain, "what is not admitted", jump(kNotAdmittedChain)});
  return rules;
}

/// Names of interfaces, or pairs of them.
netfilter::SetShape name_set(uint32_t names) {
  using netfilter::kTypeIfname;
  netfilter::SetShape shape{names == 1 ? kTypeIfname : netfilter::concatenated({kTypeIfname, kTypeIfname}),
                            names * IFNAMSIZ};
  shape.host_order = true;
  return shape;
}

void create_forwarding(Change& change) {
  change.create_chain(kIsolationChain);
  change.create_chain(kAdministratorsChain);
  change.create_chain(kNotAdmittedChain);
  change.create_base_chain(kForwardChain, {"filter", NF_INET_FORWARD, 0});
  change.create_set(kRestricted, name_set(1));
  change.create_set(kWithinBridge, name_set(2));
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    change.create_set(admitted_set(family), address_set(family));
  }
  for (const auto& rule : fixed_rules()) {
    change.append_rule(rule.chain, rule.expressions, netfilter::make_comment(rule.comment));
  }
}

/// The comments of a chain's rules.
std::set<std::string> comments_in(Tables& tables, const std::string& chain) {
  std::set<std::string> comments;
  for (const auto& rule : tables.rules(our_table(), chain)) comments.insert(netfilter::comment_of(rule.userdata));
  return comments;
}

netfilter::Bytes name_key(const std::string& name) {
  netfilter::Bytes key(name.begin(), name.end());
  key.resize(IFNAMSIZ);
  return key;
}

netfilter::Bytes within_key(const std::string& bridge) {
  netfilter::Bytes key = name_key(bridge);
  const auto again = key;
  key.insert(key.end(), again.begin(), again.end());
  return key;
}

bool has_element(Tables& tables, const char* set, const netfilter::Bytes& key) {
  return tables.has_set(our_table(), set) && tables.element(our_table(), set, key).has_value();
}

}  // namespace

std::string admitted_set(Family family) {
  return family == Family::kIpv4 ? "admitted4" : "admitted6";
}

void prepare_forwarding(Tables& tables, Change& change, const std::string& admin_chain) {
  if (!tables.has_set(our_table(), admitted_set(Family::kIpv4))) create_forwarding(change);
  // The comment is the chain's name.
  if (comments_in(tables, kAdministratorsChain).contains(admin_chain)) return;
  change.create_chain(admin_chain);
  change.append_rule(kAdministratorsChain, jump(admin_chain), netfilter::make_comment(admin_chain));
}

std::optional<std::string> missing_forwarding(Tables& tables, const std::string& admin_chain) {
  for (const auto& rule : fixed_rules()) {
    if (comments_in(tables, rule.chain).contains(rule.comment)) continue;
    return "the rule \"" + rule.comment + "\" of chain " + rule.chain;
  }
  if (comments_in(tables, kAdministratorsChain).contains(admin_chain)) return std::nullopt;
  return "the jump to chain " + admin_chain;
}

void restrict_bridge(Tables& tables, Change& change, const std::string& bridge, IngressPolicy policy) {
  const bool was_restricted = has_element(tables, kRestricted, name_key(bridge));
  const bool was_open_within = has_element(tables, kWithinBridge, within_key(bridge));
  if (!was_restricted) change.add_element(kRestricted, {name_key(bridge), {}, {}});
  if (policy == IngressPolicy::kIsolated) {
    if (was_open_within) change.delete_element(kWithinBridge, within_key(bridge));
  } else if (!was_restricted && !was_open_within) {
    change.add_element(kWithinBridge, {within_key(bridge), {}, {}});
  }
}

bool is_restricted(Tables& tables, const std::string& bridge, IngressPolicy policy) {
  const bool is_open_within = has_element(tables, kWithinBridge, within_key(bridge));
  return has_element(tables, kRestricted, name_key(bridge)) && !(policy == IngressPolicy::kIsolated && is_open_within);
}

std::vector<std::string> restricted_bridges(Tables& tables) {
  std::vector<std::string> bridges;
  for (const auto& element : tables.elements(our_table(), kRestricted)) {
    bridges.emplace_back(element.key.begin(), std::find(element.key.begin(), element.key.end(), 0));
  }
  return bridges;
}

void lift_restriction(Tables& tables, Change& change, const std::string& bridge) {
  change.delete_element(kRestricted, name_key(bridge));
  if (has_element(tables, kWithinBridge, within_key(bridge))) {
    change.delete_element(kWithinBridge, within_key(bridge));
  }
}

bool has_rules_of_administrators(Tables& tables) {
  auto chains = comments_in(tables, kAdministratorsChain);
  if (chains.contains("")) return true;  // not one of our jumps
  chains.insert(kNotAdmittedChain);
  return std::any_of(chains.begin(), chains.end(),
                     [&](const std::string& chain) { return !tables.rules(our_table(), chain).empty(); });
}

}  // namespace berth::firewall::nftables
