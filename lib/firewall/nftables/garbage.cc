#include <set>

#include "base/rollback.h"
#include "firewall/nftables/nftables.h"
#include "firewall/nftables/tag.h"

namespace berth::firewall::nftables {

void Nftables::collect_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid) {
  netfilter::Tables tables;
  std::set<Owner> stale;
  for (const auto& record : read_all_records(tables)) {
    const auto owner = parse_tag(record.tag);
    // Of a hashed id nobody can tell whether it is valid.
    if (!owner || is_hashed(*owner) || owner->network != network || is_valid(*owner)) continue;
    if (record.purpose != Purpose::kAdmit) stale.insert(*owner);
  }
  base::BestEffort cleanup;
  for (const auto& owner : stale) {
    cleanup.attempt("remove the rules of " + tag_of(owner), [&] {
      unmasquerade(owner);
      unpublish(owner);
    });
  }
  cleanup.finish();
}

std::string why_unusable() {
  try {
    netfilter::Tables().generation();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace berth::firewall::nftables
