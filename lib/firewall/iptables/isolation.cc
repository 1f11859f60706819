#include "firewall/iptables/isolation.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "firewall/iptables/edits.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"

namespace berth::firewall::iptables {

namespace {

std::string comment_text(const std::string& policy) {
  return "CNI firewall plugin rules (ingressPolicy: " + policy + ")";
}

Rule rule_of(net::Family family, const std::string& policy, const std::string& target) {
  Rule rule(family);
  rule.matches = {comment(comment_text(policy))};
  rule.target.name = target;
  return rule;
}

Rule common_rule(net::Family family, const std::string& target) {
  return rule_of(family, "same-bridge|isolated", target);
}

/// The rule and what it was before 1.7.1, which did not know `isolated`.
std::vector<Rule> old_and_new(const Rule& rule) {
  Rule old = rule;
  old.matches = {comment(comment_text("same-bridge"))};
  return {rule, old};
}

bool holds_common(Table& table, const std::string& chain, const Rule& rule) {
  const auto present = table.rules(chain);
  const auto forms = old_and_new(rule);
  return std::any_of(forms.begin(), forms.end(), [&](const Rule& form) { return holds(present, form); });
}

void ensure_common(Table& table, const std::string& chain, const Rule& rule, Position position) {
  if (!holds_common(table, chain, rule)) ensure_rule(table, chain, rule, position);
}

void require_common(Table& table, const std::string& chain, const Rule& rule, const std::string& what) {
  if (!holds_common(table, chain, rule)) require_rule(table, chain, rule, what);
}

/// What leaves the bridge for another way goes to the second stage.
Rule leaving(net::Family family, const std::string& bridge, IngressPolicy policy) {
  Rule rule = rule_of(family, policy == IngressPolicy::kIsolated ? "isolated" : "same-bridge", kIsolationStage2);
  rule.in.name = bridge;
  rule.out = {bridge, true};
  return rule;
}

/// What goes from the bridge to itself; the kernel shows it to the firewall only with br_netfilter.
Rule within(net::Family family, const std::string& bridge) {
  Rule rule = rule_of(family, "isolated", "DROP");
  rule.in.name = bridge;
  rule.out.name = bridge;
  return rule;
}

Rule entering(net::Family family, const std::string& bridge) {
  Rule rule = common_rule(family, "DROP");
  rule.out.name = bridge;
  return rule;
}

/// Every rule that any policy makes for this bridge.
std::vector<Rule> rules_in_stage_1(net::Family family, const std::string& bridge) {
  return {leaving(family, bridge, IngressPolicy::kSameBridge), leaving(family, bridge, IngressPolicy::kIsolated),
          within(family, bridge)};
}

std::set<std::string> restricted_bridges(Table& table) {
  std::set<std::string> bridges;
  for (const auto& rule : table.rules(kIsolationStage1)) {
    if (holds(rules_in_stage_1(table.family(), rule.in.name), rule)) bridges.insert(rule.in.name);
  }
  for (const auto& rule : table.rules(kIsolationStage2)) {
    if (holds(old_and_new(entering(table.family(), rule.out.name)), rule)) bridges.insert(rule.out.name);
  }
  return bridges;
}

void erase_equal(Table& table, const std::string& chain, const std::vector<Rule>& unwanted) {
  auto found = table.rules(chain, [](const std::string&) { return true; });
  std::erase_if(found, [&](const auto& each) { return !holds(unwanted, each.rule); });
  erase_all(table, chain, found);
}

/// Whether nothing but the final rule is in the chain.
bool is_idle(Table& table, const std::string& chain) {
  const auto rules = table.rules(chain);
  const auto last = old_and_new(common_rule(table.family(), "RETURN"));
  return std::all_of(rules.begin(), rules.end(), [&](const Rule& rule) { return holds(last, rule); });
}

void drop_chains_if_idle(Table& table) {
  if (!is_idle(table, kIsolationStage1) || !is_idle(table, kIsolationStage2)) return;
  erase_equal(table, "FORWARD", old_and_new(common_rule(table.family(), kIsolationStage1)));
  for (const char* chain : {kIsolationStage1, kIsolationStage2}) {
    if (!table.has_chain(chain) || table.references(chain) != 0) continue;
    table.flush_chain(chain);
    table.delete_chain(chain);
  }
}

/// Whether no jump to CNI-FORWARD comes before the first of these.
bool comes_first(Table& table, const std::vector<Table::Found>& stage) {
  const auto forward = jumps(table, "FORWARD", kForwardChain);
  return stage.empty() || forward.empty() || stage.front().number < forward.front().number;
}

}  // namespace

void isolate(Table& table, const std::string& bridge, IngressPolicy policy) {
  const net::Family family = table.family();
  ensure_chain(table, kIsolationStage1);
  ensure_chain(table, kIsolationStage2);
  ensure_common(table, "FORWARD", common_rule(family, kIsolationStage1), Position::kFirst);
  ensure_rule(table, kIsolationStage1, leaving(family, bridge, policy), Position::kFirst);
  if (policy == IngressPolicy::kIsolated)
    ensure_rule(table, kIsolationStage1, within(family, bridge), Position::kFirst);
  ensure_common(table, kIsolationStage1, common_rule(family, "RETURN"), Position::kLast);
  ensure_common(table, kIsolationStage2, entering(family, bridge), Position::kFirst);
  ensure_common(table, kIsolationStage2, common_rule(family, "RETURN"), Position::kLast);
}

void require_isolated(Table& table, const std::string& bridge, IngressPolicy policy) {
  const net::Family family = table.family();
  require_common(table, "FORWARD", common_rule(family, kIsolationStage1), std::string("to ") + kIsolationStage1);
  if (!comes_first(table, jumps(table, "FORWARD", kIsolationStage1))) {
    throw std::runtime_error("chain FORWARD of the " + table.description() + " jumps to " + kForwardChain + " before " +
                             kIsolationStage1);
  }
  require_rule(table, kIsolationStage1, leaving(family, bridge, policy), "for what leaves bridge " + bridge);
  if (policy == IngressPolicy::kIsolated) {
    require_rule(table, kIsolationStage1, within(family, bridge), "for what stays in bridge " + bridge);
  }
  require_common(table, kIsolationStage2, entering(family, bridge), "for what enters bridge " + bridge);
}

void put_isolation_first(Table& table) {
  const auto stage = jumps(table, "FORWARD", kIsolationStage1);
  if (comes_first(table, stage)) return;
  table.erase("FORWARD", stage.front().number);
  table.insert_first("FORWARD", stage.front().rule);
}

void lift_isolation(Table& table, const std::function<bool(const std::string&)>& is_used) {
  bool lifted = false;
  for (const auto& bridge : restricted_bridges(table)) {
    if (is_used(bridge)) continue;
    erase_equal(table, kIsolationStage1, rules_in_stage_1(table.family(), bridge));
    erase_equal(table, kIsolationStage2, old_and_new(entering(table.family(), bridge)));
    lifted = true;
  }
  if (lifted) drop_chains_if_idle(table);
}

}  // namespace berth::firewall::iptables
