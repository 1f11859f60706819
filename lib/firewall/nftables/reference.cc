#include "firewall/nftables/reference.h"

#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <unistd.h>

#include <optional>

#include "base/encode.h"
#include "firewall/netfilter/change.h"

namespace berth::firewall::nftables {

namespace {

using netfilter::Batch;
using netfilter::Change;
using netfilter::ListedRule;
using netfilter::TableName;
using netfilter::Tables;

constexpr int kAttempts = 500;
constexpr useconds_t kPause = 1000;

/// Deletes the rules of a table that `wanted` accepts, all at once; nothing if there is no such table.
void delete_rules(const TableName& table, const std::function<bool(const ListedRule&)>& wanted) {
  Tables tables;
  if (!tables.has_table(table)) return;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) ::usleep(kPause);
    const uint32_t generation = tables.generation();
    Batch batch;
    Change change(batch, table);
    for (const auto& rule : tables.rules(table)) {
      if (wanted(rule)) change.delete_rule(rule.chain, rule.handle);
    }
    if (tables.commit(batch, generation)) return;
  }
  throw Busy("another program keeps changing nf_tables");
}

TableName masquerade_table() {
  return {NFPROTO_INET, "cni_plugins_masquerade"};
}

std::string hash(const std::string& text) {
  constexpr size_t kDigits = 16;
  return base::sha512_hex(text).substr(0, kDigits);
}

/// The text between `label` and the next comma (or the end).
std::optional<std::string> field(const std::string& comment, const std::string& label) {
  const size_t at = comment.find(label);
  if (at == std::string::npos) return std::nullopt;
  const size_t from = at + label.size();
  return comment.substr(from, comment.find(',', from) - from);
}

/// The owner that a masquerading rule's comment names; nullopt if it was cut.
std::optional<Owner> owner_in(const std::string& comment) {
  const auto network = field(comment, ", net: ");
  const auto ifname = field(comment, ", if: ");
  const auto id = field(comment, ", id: ");
  if (!network || !ifname || !id) return std::nullopt;
  const bool whole = comment.starts_with(hash(*network) + "-" + hash(*ifname + ":" + *id));
  return whole ? std::optional(Owner{*network, *id, *ifname}) : std::nullopt;
}

}  // namespace

void remove_reference_ports(const Owner& owner) {
  for (const uint8_t family : {NFPROTO_IPV4, NFPROTO_IPV6}) {
    delete_rules({family, "cni_hostport"},
                 [&](const ListedRule& rule) { return netfilter::comment_of(rule.userdata) == owner.container_id; });
  }
}

void remove_reference_masquerading(const Owner& owner) {
  const std::string id = hash(owner.network) + "-" + hash(owner.ifname + ":" + owner.container_id);
  delete_rules(masquerade_table(),
               [&](const ListedRule& rule) { return netfilter::comment_of(rule.userdata).starts_with(id); });
}

void collect_reference_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid) {
  delete_rules(masquerade_table(), [&](const ListedRule& rule) {
    const auto owner = owner_in(netfilter::comment_of(rule.userdata));
    return owner && owner->network == network && !is_valid(*owner);
  });
}

}  // namespace berth::firewall::nftables
