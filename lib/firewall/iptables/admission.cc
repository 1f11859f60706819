#include "firewall/iptables/admission.h"

#include <algorithm>
#include <set>

#include "base/rollback.h"
#include "firewall/iptables/chains.h"
#include "firewall/iptables/edits.h"
#include "firewall/iptables/isolation.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"
#include "firewall/iptables/transaction.h"

namespace berth::firewall::iptables {

namespace {

using net::Family;
using net::IpAddress;

constexpr const char* kForward = "FORWARD";

std::vector<Family> families_of(const std::vector<IpAddress>& addresses) {
  std::vector<Family> families;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const auto in_family = [&](const IpAddress& address) { return address.family() == family; };
    if (std::any_of(addresses.begin(), addresses.end(), in_family)) families.push_back(family);
  }
  return families;
}

Rule jump(Family family, const char* text, const std::string& target) {
  Rule rule(family);
  rule.matches = {comment(text)};
  rule.target.name = target;
  return rule;
}

Rule forward_jump(Family family) {
  return jump(family, "CNI firewall plugin rules", kForwardChain);
}

Rule admin_jump(Family family, const std::string& admin_chain) {
  return jump(family, "CNI firewall plugin admin overrides", admin_chain);
}

/// False if the owner's addresses were all admitted before.
bool write_admission(Table& table, const Owner& owner, const std::vector<IpAddress>& addresses,
                     const std::string& admin_chain) {
  ensure_chain(table, kForwardChain);
  ensure_chain(table, admin_chain);
  ensure_rule(table, kForward, forward_jump(table.family()), Position::kFirst);
  ensure_rule(table, kForwardChain, admin_jump(table.family(), admin_chain), Position::kFirst);
  bool is_new = false;
  for (const auto& address : addresses) {
    if (address.family() == table.family() && iptables::admit(table, owner, address)) is_new = true;
  }
  return is_new;
}

void require_admission(Table& table, const std::vector<IpAddress>& addresses, const std::string& admin_chain) {
  require_rule(table, kForward, forward_jump(table.family()), std::string("to ") + kForwardChain);
  require_rule(table, kForwardChain, admin_jump(table.family(), admin_chain), "to " + admin_chain);
  for (const auto& address : addresses) {
    if (address.family() == table.family()) require_admitted(table, address);
  }
}

/// Without admitted addresses only jumps to administrators' chains are left. If these are empty, too, all may go.
void drop_common_if_unused(Table& table) {
  if (!table.has_chain(kForwardChain)) return;
  std::vector<std::string> admin_chains;
  for (const auto& rule : table.rules(kForwardChain)) {
    const std::string& target = rule.target.name;
    const bool is_admin_jump = rule == admin_jump(table.family(), target) && table.has_chain(target);
    if (!is_admin_jump || !table.rules(target).empty()) return;
    admin_chains.push_back(target);
  }
  remove_chain(table, kForwardChain, kForward);
  for (const auto& chain : admin_chains) delete_if_unused(table, chain);
}

}  // namespace

void IptablesAdmission::change(const std::vector<Family>& families, const std::function<void(Table&)>& plan) {
  change_tables(options_.lock_timeout, families, plan, where_);
}

void IptablesAdmission::admit(const Owner& owner, const Terms& terms) {
  bool changed = false;
  bool is_new = false;
  base::Rollback rollback;
  rollback.add("dismiss the container", [&] {
    const uint32_t mark = owner_mark(owner);
    if (changed) dismiss_if([&](const Admitted& pair) { return is_new && pair.owner == mark; });
  });
  change(families_of(terms.addresses), [&](Table& table) {
    if (!terms.only_restrict && write_admission(table, owner, terms.addresses, options_.admin_chain)) is_new = true;
    if (terms.ingress != IngressPolicy::kOpen) isolate(table, terms.bridge, terms.ingress);
    put_isolation_first(table);
    if (table.changed()) changed = true;
  });
  options_.confirm();
  rollback.dismiss();
}

void IptablesAdmission::dismiss(const Owner& owner, const std::vector<IpAddress>& known) {
  const uint32_t mark = owner_mark(owner);
  const uint32_t network = network_mark(owner.network);
  dismiss_if([&](const Admitted& pair) {
    if (pair.owner != 0) return pair.owner == mark;
    const bool is_known = std::find(known.begin(), known.end(), pair.address) != known.end();
    return is_known && (pair.network == 0 || pair.network == network);
  });
}

void IptablesAdmission::collect_garbage(const std::string& network, const std::vector<Owner>& valid) {
  std::set<uint32_t> marks;
  for (const auto& owner : valid) marks.insert(owner_mark(owner));
  const uint32_t mark = network_mark(network);
  dismiss_if([&](const Admitted& pair) { return pair.network == mark && !marks.contains(pair.owner); });
}

void IptablesAdmission::dismiss_if(const std::function<bool(const Admitted&)>& unwanted) {
  change(existing_tables(where_), [&](Table& table) {
    iptables::dismiss(table, unwanted);
    if (table.changed()) drop_common_if_unused(table);
    lift_isolation(table, options_.is_used);
  });
}

void IptablesAdmission::check(const Owner&, const Terms& terms) {
  for (const Family family : families_of(terms.addresses)) {
    const auto table = Table::read(family, where_);
    if (!terms.only_restrict) require_admission(*table, terms.addresses, options_.admin_chain);
    if (terms.ingress != IngressPolicy::kOpen) require_isolated(*table, terms.bridge, terms.ingress);
  }
}

}  // namespace berth::firewall::iptables
