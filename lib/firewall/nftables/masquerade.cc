#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <map>

#include "base/encode.h"
#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/matching.h"
#include "firewall/nftables/nftables.h"
#include "firewall/nftables/tag.h"

namespace berth::firewall::nftables {

namespace {

namespace expr = netfilter::expr;
using net::IpNet;
using netfilter::Change;
using netfilter::Tables;

/// "masquerade-web-10.1.0.0/24": the addresses of a network that are in one subnet. A network's name that is too long
/// is hashed as in a tag; nft takes no colons in names.
std::string set_of(const std::string& network, const IpNet& subnet) {
  const std::string tag = tag_of({network, "", ""});
  std::string name = "masquerade-" + tag.substr(0, tag.find('/')) + "-" + subnet.to_string();
  std::replace(name.begin(), name.end(), ':', '_');
  std::replace(name.begin(), name.end(), '~', '_');
  return name;
}

std::map<std::string, IpNet> sets_of(const Owner& owner, const std::vector<IpNet>& addresses) {
  std::map<std::string, IpNet> sets;
  for (const auto& address : addresses) sets.emplace(set_of(owner.network, address.network()), address.network());
  return sets;
}

netfilter::Expressions leaving(const IpNet& subnet, const std::string& set) {
  return [subnet, set](net::Message& rule) {
    const auto family = subnet.address.family();
    require_family(rule, family);
    load_source(rule, family, expr::kRegister1);
    expr::lookup(rule, set, expr::kRegister1);
    require_destination_in(rule, subnet, true);
    require_destination_in(rule, IpNet::parse(subnet.is_v4() ? "224.0.0.0/4" : "ff00::/8"), true);
    expr::masquerade(rule);
  };
}

void prepare(Tables& tables, Change& change, const std::map<std::string, IpNet>& sets) {
  for (const auto& [set, subnet] : sets) {
    if (tables.has_set(our_table(), set)) continue;
    change.create_set(set, address_set(subnet.address.family()), true);
    change.append_rule(kMasqueradeChain, leaving(subnet, set), netfilter::make_comment(set));
  }
}

/// A set that becomes empty goes, and the rule that looks into it.
void retire(Tables& tables, Change& change, const std::vector<Item>& gone, const std::string& tag) {
  std::vector<std::string> done;
  for (const auto& item : gone) {
    if (std::find(done.begin(), done.end(), item.set) != done.end()) continue;
    done.push_back(item.set);
    const bool used = Tables::any_element(our_table(), item.set, [&](const netfilter::Element& element) {
      const bool goes = std::find(gone.begin(), gone.end(), Item{item.set, element.key}) != gone.end();
      return !goes || netfilter::comment_of(element.userdata) != tag;
    });
    if (used) continue;
    for (const auto& rule : tables.rules(our_table(), kMasqueradeChain)) {
      if (netfilter::comment_of(rule.userdata) == item.set) change.delete_rule(kMasqueradeChain, rule.handle);
    }
    change.delete_set(item.set);
  }
}

}  // namespace

void Nftables::masquerade(const Owner& owner, const std::vector<IpNet>& addresses) {
  if (addresses.empty()) return;
  std::vector<Possession> possessions;
  for (const auto& address : addresses) {
    possessions.push_back({set_of(owner.network, address.network()), address_key(address.address), {}, false});
  }
  const auto sets = sets_of(owner, addresses);
  holdings_.give(owner, Purpose::kMasquerade, possessions,
                 [&](Tables& tables, Change& change) { prepare(tables, change, sets); });
}

void Nftables::unmasquerade(const Owner& owner) {
  holdings_.take(owner, Purpose::kMasquerade, retire);
}

bool Nftables::is_masqueraded(const Owner& owner, const std::vector<IpNet>& addresses) {
  Tables tables;
  if (missing_part(tables)) return false;
  const auto rules = tables.rules(our_table(), kMasqueradeChain);
  return std::all_of(addresses.begin(), addresses.end(), [&](const IpNet& address) {
    const std::string set = set_of(owner.network, address.network());
    const bool has_rule = std::any_of(rules.begin(), rules.end(),
                                      [&](const auto& rule) { return netfilter::comment_of(rule.userdata) == set; });
    return has_rule && own_element(tables, tag_of(owner), {set, address_key(address.address)});
  });
}

}  // namespace berth::firewall::nftables
