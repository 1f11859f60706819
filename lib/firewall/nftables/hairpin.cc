#include "firewall/nftables/hairpin.h"

#include <algorithm>

#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/matching.h"

namespace berth::firewall::nftables {

namespace {

namespace expr = netfilter::expr;
using net::IpNet;
using netfilter::Change;
using netfilter::Tables;

/// "hairpin4-24": pairs of a subnet with a prefix of 24 and an address in it. A set for each length, so that a client's
/// address and that mask are the key, and a lookup does not depend on how many subnets there are.
std::string set_of(const IpNet& container) {
  return std::string("hairpin") + (container.is_v4() ? "4-" : "6-") + std::to_string(container.prefix);
}

bool needs_pairs(const PublishOptions& options) {
  return options.snat && !options.masquerade_all;
}

}  // namespace

std::vector<Possession> clients_to_translate(const IpNet& container, const PublishOptions& options) {
  if (!options.snat) return {};
  const auto address = address_key(container.address);
  if (options.masquerade_all) return {{masquerade_all_set(container.address.family()), address, {}, false}};
  std::vector<Possession> possessions{
      {set_of(container), pair_key(container.network().address, container.address), {}, false}};
  if (container.is_v4()) possessions.push_back({kLoopbackSet, address, {}, false});
  return possessions;
}

void prepare_hairpin(Tables& tables, Change& change, const IpNet& container, const PublishOptions& options) {
  const std::string set = set_of(container);
  if (!needs_pairs(options) || tables.has_set(our_table(), set)) return;
  const auto family = container.address.family();
  const auto mask = mask_of(family, container.prefix);
  change.create_set(set, pair_set(family), true);
  change.append_rule(
      kHairpinChain,
      [&](net::Message& rule) {
        constexpr uint32_t kWordSize = 4;
        require_family(rule, family);
        load_source(rule, family, expr::kWord0);
        expr::mask(rule, expr::kWord0, mask);
        load_destination(rule, family, expr::kWord0 + static_cast<uint32_t>(mask.size()) / kWordSize);
        expr::lookup(rule, set, expr::kWord0);
        expr::masquerade(rule);
      },
      netfilter::make_comment(set));
}

std::string missing_hairpin(Tables& tables, const IpNet& container, const PublishOptions& options) {
  if (!needs_pairs(options)) return "";
  const std::string set = set_of(container);
  const auto rules = tables.rules(our_table(), kHairpinChain);
  const bool there = std::any_of(rules.begin(), rules.end(),
                                 [&](const auto& rule) { return netfilter::comment_of(rule.userdata) == set; });
  return there ? "" : "the rule that looks into set " + set;
}

}  // namespace berth::firewall::nftables
