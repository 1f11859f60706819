#include "firewall/nftables/layout.h"

#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <set>
#include <vector>

#include "firewall/nftables/keys.h"
#include "firewall/nftables/ledger.h"
#include "firewall/nftables/matching.h"

namespace berth::firewall::nftables {

namespace {

namespace expr = netfilter::expr;
using net::Family;
using net::Message;
using netfilter::Expressions;

constexpr int32_t kPriorityRaw = -300;
constexpr int32_t kPriorityDstnat = -100;
constexpr int32_t kPrioritySrcnat = 100;

std::string with_family(const char* name, Family family) {
  return std::string(name) + (family == Family::kIpv4 ? "4" : "6");
}

/// A rule of the table, the same whoever uses it.
struct FixedRule {
  const char* chain;
  std::string comment;  ///< By which missing_part finds it.
  Expressions expressions;
};

void jump(Message& rule, const char* chain) {
  expr::verdict(rule, NFT_JUMP, chain);
}

void to_local_address(Message& rule) {
  expr::load_destination_type(rule, expr::kRegister1);
  expr::compare(rule, expr::kRegister1, NFT_CMP_EQ, expr::number(RTN_LOCAL));
  jump(rule, kPublishedChain);
}

void only_translated(Message& rule) {
  expr::load_ct(rule, NFT_CT_STATUS, expr::kRegister1);
  expr::mask(rule, expr::kRegister1, expr::number(IPS_DST_NAT));
  expr::compare(rule, expr::kRegister1, NFT_CMP_NEQ, expr::number(0));
  jump(rule, kHairpinChain);
}

void loopback_clients(Message& rule) {
  require_family(rule, Family::kIpv4);
  require_source_in(rule, net::IpNet::parse("127.0.0.0/8"));
  load_destination(rule, Family::kIpv4, expr::kRegister1);
  expr::lookup(rule, kLoopbackSet, expr::kRegister1);
  expr::masquerade(rule);
}

Expressions all_clients(Family family) {
  return [family](Message& rule) {
    require_family(rule, family);
    load_destination(rule, family, expr::kRegister1);
    expr::lookup(rule, masquerade_all_set(family), expr::kRegister1);
    expr::masquerade(rule);
  };
}

void drop_martians(Message& rule) {
  require_interface(rule, NFT_META_IIFNAME, "lo", true);
  require_family(rule, Family::kIpv4);
  require_destination_in(rule, net::IpNet::parse("127.0.0.0/8"));
  expr::verdict(rule, NF_DROP);
}

std::vector<FixedRule> fixed_rules() {
  std::vector<FixedRule> rules{
      {"prerouting", "published ports, from outside", to_local_address},
      {"output", "published ports, from this host", to_local_address},
      {"postrouting", "clients that must not be seen by the container", only_translated},
      {"postrouting", "containers that leave their network", [](Message& rule) { jump(rule, kMasqueradeChain); }},
      {kHairpinChain, "local clients over loopback", loopback_clients},
      {"martians", "packets to loopback from outside", drop_martians},
  };
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const std::string version = family == Family::kIpv4 ? "IPv4" : "IPv6";
    rules.push_back({kPublishedChain, "published on one address, " + version, [family](Message& rule) {
                       translate_by_address(rule, family, published_by_address_set(family));
                     }});
    rules.push_back({kPublishedChain, "published on all addresses, " + version,
                     [family](Message& rule) { translate(rule, family, published_set(family)); }});
    rules.push_back({kHairpinChain, "all clients, " + version, all_clients(family)});
  }
  return rules;
}

}  // namespace

const netfilter::TableName& our_table() {
  static const netfilter::TableName table{NFPROTO_INET, "berth"};
  return table;
}

std::string published_set(Family family) {
  return with_family("published", family);
}
std::string published_by_address_set(Family family) {
  return with_family("published", family) + "-by-address";
}
std::string masquerade_all_set(Family family) {
  return with_family("masquerade-all", family);
}

void create_table(netfilter::Change& change) {
  change.create_table("containers' ports and addresses (berth, layout 1)", true);
  change.create_chain(kPublishedChain);
  change.create_chain(kHairpinChain);
  change.create_chain(kMasqueradeChain);
  change.create_base_chain("martians", {"filter", NF_INET_PRE_ROUTING, kPriorityRaw});
  change.create_base_chain("prerouting", {"nat", NF_INET_PRE_ROUTING, kPriorityDstnat});
  change.create_base_chain("output", {"nat", NF_INET_LOCAL_OUT, kPriorityDstnat});
  change.create_base_chain("postrouting", {"nat", NF_INET_POST_ROUTING, kPrioritySrcnat});
  change.create_set(kOwners, ledger_shape());
  change.create_set(kLoopbackSet, address_set(Family::kIpv4));
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    change.create_set(published_set(family), port_map(family));
    change.create_set(published_by_address_set(family), port_by_address_map(family));
    change.create_set(masquerade_all_set(family), address_set(family));
  }
  for (const auto& rule : fixed_rules()) {
    change.append_rule(rule.chain, rule.expressions, netfilter::make_comment(rule.comment));
  }
}

std::optional<std::string> missing_part(netfilter::Tables& tables) {
  std::set<std::string> present;
  for (const auto& rule : tables.rules(our_table()))
    present.insert(rule.chain + " " + netfilter::comment_of(rule.userdata));
  for (const auto& rule : fixed_rules()) {
    if (!present.contains(std::string(rule.chain) + " " + rule.comment)) {
      return "the rule \"" + rule.comment + "\" of chain " + rule.chain;
    }
  }
  return std::nullopt;
}

}  // namespace berth::firewall::nftables
