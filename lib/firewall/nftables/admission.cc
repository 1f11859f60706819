#include "firewall/nftables/admission.h"

#include <algorithm>
#include <set>

#include "base/rollback.h"
#include "firewall/nftables/forwarding.h"
#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/tag.h"
#include "net/netlink.h"

namespace berth::firewall::nftables {

namespace {

using net::IpAddress;
using netfilter::Change;
using netfilter::Tables;

Item item_for(const IpAddress& address) {
  return {admitted_set(address.family()), address_key(address)};
}

bool has_all(Tables& tables, const Owner& owner, const std::vector<Possession>& possessions) {
  return std::all_of(possessions.begin(), possessions.end(), [&](const Possession& wanted) {
    return own_element(tables, tag_of(owner), {wanted.set, wanted.key}).has_value();
  });
}

/// The container's port, if it is one of that bridge.
std::optional<net::Link> find_port(net::Netlink& host, const Terms& terms) {
  if (terms.port.empty()) return std::nullopt;
  const auto bridge = host.find_link(terms.bridge);
  auto port = host.find_link(terms.port);
  if (!bridge || !port || port->master != bridge->index || !port->port) return std::nullopt;
  return port;
}

void isolate_port(const Terms& terms, base::Rollback& rollback) {
  auto host = net::Netlink::here();
  const auto port = find_port(host, terms);
  if (!port || port->port->isolated) return;
  host.set_isolated(port->index, true);
  rollback.add("end the isolation of " + terms.port,
               [index = port->index] { net::Netlink::here().set_isolated(index, false); });
}

void require_isolated_port(const Terms& terms) {
  auto host = net::Netlink::here();
  const auto port = find_port(host, terms);
  if (port && !port->port->isolated)
    throw std::runtime_error("port " + terms.port + " of " + terms.bridge + " is not isolated");
}

}  // namespace

void NftablesAdmission::admit(const Owner& owner, const Terms& terms) {
  if (terms.addresses.empty()) return;
  base::Rollback rollback;
  if (terms.ingress == IngressPolicy::kIsolated) isolate_port(terms, rollback);
  std::vector<Possession> possessions;
  for (const auto& address : terms.addresses) {
    const auto item = item_for(address);
    possessions.push_back({item.set, item.key, {}, false});
  }
  bool is_new = false;
  holdings_.give(owner, Purpose::kAdmit, possessions, [&](Tables& tables, Change& change) {
    is_new = !has_all(tables, owner, possessions);
    prepare_forwarding(tables, change, options_.admin_chain);
    if (terms.ingress != IngressPolicy::kOpen) restrict_bridge(tables, change, terms.bridge, terms.ingress);
  });
  if (is_new) rollback.add("dismiss the container", [&] { dismiss(owner, {}); });
  options_.confirm();
  rollback.dismiss();
}

void NftablesAdmission::dismiss(const Owner& owner, const std::vector<IpAddress>&) {
  holdings_.take(owner, Purpose::kAdmit, [](Tables&, Change&, const std::vector<Item>&, const std::string&) {});
  lift_unused();
}

void NftablesAdmission::lift_unused() {
  Tables tables;
  const auto bridges = restricted_bridges(tables);
  if (std::all_of(bridges.begin(), bridges.end(), options_.is_used)) return;
  holdings_.change([&](Tables& now, netfilter::Batch& batch) {
    Change change(batch, our_table());
    for (const auto& bridge : restricted_bridges(now)) {
      if (!options_.is_used(bridge)) lift_restriction(now, change, bridge);
    }
  });
}

void NftablesAdmission::check(const Owner& owner, const Terms& terms) {
  Tables tables;
  const std::string where = " of the nf_tables table " + our_table().name + " is missing";
  if (const auto missing = missing_forwarding(tables, options_.admin_chain)) throw std::runtime_error(*missing + where);
  for (const auto& address : terms.addresses) {
    if (own_element(tables, tag_of(owner), item_for(address))) continue;
    throw std::runtime_error("the element " + address.to_string() + " in the set " + admitted_set(address.family()) +
                             where);
  }
  if (terms.ingress == IngressPolicy::kOpen) return;
  if (!is_restricted(tables, terms.bridge, terms.ingress)) {
    throw std::runtime_error("the restriction of bridge " + terms.bridge + where);
  }
  if (terms.ingress == IngressPolicy::kIsolated) require_isolated_port(terms);
}

void NftablesAdmission::collect_garbage(const std::string& network, const std::vector<Owner>& valid) {
  std::set<std::string> tags;
  for (const auto& owner : valid) tags.insert(tag_of(owner));
  const auto in_tags = parse_tag(tag_of({network, "", ""}));
  Tables tables;
  std::set<Owner> stale;
  for (const auto& record : read_all_records(tables)) {
    const auto owner = parse_tag(record.tag);
    if (record.purpose != Purpose::kAdmit || !owner || owner->network != in_tags->network) continue;
    if (!tags.contains(record.tag)) stale.insert(*owner);
  }
  base::BestEffort steps;
  for (const auto& owner : stale) {
    steps.attempt("dismiss " + tag_of(owner), [&] { dismiss(owner, {}); });
  }
  steps.attempt("lift restrictions", [&] { lift_unused(); });
  steps.finish();
}

}  // namespace berth::firewall::nftables
