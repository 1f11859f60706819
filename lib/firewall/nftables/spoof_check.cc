#include "firewall/spoof_check.h"

#include <net/if.h>
#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>

#include "firewall/netfilter/change.h"
#include "firewall/netfilter/conversation.h"
#include "firewall/netfilter/expressions.h"
#include "firewall/nftables/holdings.h"
#include "firewall/nftables/nftables.h"
#include "firewall/nftables/tag.h"

namespace berth::firewall {

namespace {

namespace expr = netfilter::expr;
using netfilter::Batch;
using netfilter::Bytes;
using netfilter::Change;
using netfilter::TableName;
using netfilter::Tables;

constexpr const char* kPorts = "guarded-ports";
constexpr const char* kSenders = "allowed-senders";
constexpr const char* kChain = "prerouting";
constexpr std::chrono::seconds kLockTimeout(30);
constexpr uint32_t kMacSize = 6;
constexpr uint32_t kPaddedMacSize = 8;

TableName our_table() {
  return {NFPROTO_BRIDGE, "berth"};
}

Bytes port_key(const std::string& port) {
  Bytes key(port.begin(), port.end());
  key.resize(IFNAMSIZ);
  return key;
}

Bytes sender_key(const std::string& port, const net::MacAddress& mac) {
  Bytes key = port_key(port);
  key.insert(key.end(), mac.bytes(), mac.bytes() + kMacSize);
  key.resize(IFNAMSIZ + kPaddedMacSize);
  return key;
}

void drop_impostors(net::Message& rule) {
  expr::load_meta(rule, NFT_META_IIFNAME, expr::kRegister1);
  expr::lookup(rule, kPorts, expr::kRegister1);
  expr::load_payload(rule, NFT_PAYLOAD_LL_HEADER, kMacSize, kMacSize, expr::kRegister2);
  expr::lookup_absent(rule, kSenders, expr::kRegister1);
  expr::verdict(rule, NF_DROP);
}

void create_table(Change& change) {
  using netfilter::concatenated;
  using netfilter::kTypeEther;
  using netfilter::kTypeIfname;
  constexpr int32_t kPriority = -300;  // bridges number their hooks as IP does
  change.create_table("hardware addresses that containers may use (berth)", true);
  change.create_base_chain(kChain, {"filter", NF_INET_PRE_ROUTING, kPriority});
  netfilter::SetShape ports{kTypeIfname, IFNAMSIZ};
  ports.host_order = true;
  change.create_set(kPorts, ports);
  change.create_set(kSenders, {concatenated({kTypeIfname, kTypeEther}), IFNAMSIZ + kPaddedMacSize});
  change.append_rule(kChain, drop_impostors);
}

/// Removes what `unwanted` accepts by tag, and the table with the last element.
void remove_if(const std::function<bool(const std::string& tag)>& unwanted) {
  if (!Tables().has_table(our_table())) return;
  nftables::Holdings(kLockTimeout).change([&](Tables& tables, Batch& batch) {
    Change change(batch, our_table());
    bool others = false;
    std::vector<std::pair<const char*, Bytes>> gone;
    for (const char* set : {kPorts, kSenders}) {
      for (const auto& element : tables.elements(our_table(), set)) {
        if (unwanted(netfilter::comment_of(element.userdata))) {
          gone.emplace_back(set, element.key);
        } else {
          others = true;
        }
      }
    }
    if (gone.empty()) return;
    if (!others) return change.delete_table();
    for (const auto& [set, key] : gone) change.delete_element(set, key);
  });
}

/// The reference's chains for one attachment, in `bridge nat`: a rule of PREROUTING jumps to the first, it to the
/// second.
void remove_reference_chains(const Owner& owner) {
  const TableName table{NFPROTO_BRIDGE, "nat"};
  if (!Tables().has_table(table)) return;
  const std::string comment = "macspoofchk-" + owner.container_id + "-" + owner.ifname;
  const std::string chain = "cni-br-iface-" + owner.container_id + "-" + owner.ifname;
  nftables::Holdings(kLockTimeout).change([&](Tables& tables, Batch& batch) {
    Change change(batch, table);
    for (const auto& rule : tables.rules(table)) {
      if (netfilter::comment_of(rule.userdata) == comment) change.delete_rule(rule.chain, rule.handle);
    }
    const auto present = tables.chains(table);
    for (const auto& name : {chain, chain + "-mac"}) {
      const bool there =
          std::any_of(present.begin(), present.end(), [&](const auto& each) { return each.name == name; });
      if (there) change.delete_chain(name);
    }
  });
}

}  // namespace

void SpoofCheck::add(const Owner& owner, const std::string& port, const net::MacAddress& mac) {
  const std::string tag = nftables::tag_of(owner);
  const Bytes userdata = netfilter::make_comment(tag);
  nftables::Holdings(kLockTimeout).change([&](Tables& tables, Batch& batch) {
    Change change(batch, our_table());
    if (!tables.has_table(our_table())) create_table(change);
    // Also what an earlier container with a port of this name left behind.
    for (const char* set : {kPorts, kSenders}) {
      for (const auto& element : tables.elements(our_table(), set)) {
        const bool same_port = std::equal(element.key.begin(), element.key.begin() + IFNAMSIZ, port_key(port).begin());
        if (same_port || netfilter::comment_of(element.userdata) == tag) change.delete_element(set, element.key);
      }
    }
    change.add_element(kPorts, {port_key(port), {}, userdata});
    change.add_element(kSenders, {sender_key(port, mac), {}, userdata});
  });
}

void SpoofCheck::remove(const Owner& owner) {
  const netfilter::Session session;
  if (!nftables::why_unusable().empty()) return;
  const std::string tag = nftables::tag_of(owner);
  remove_if([&](const std::string& other) { return other == tag; });
  remove_reference_chains(owner);
}

bool SpoofCheck::is_intact(const Owner& owner, const std::string& port, const net::MacAddress& mac) {
  Tables tables;
  if (tables.rules(our_table(), kChain).empty()) return false;
  const std::string tag = nftables::tag_of(owner);
  const auto has = [&](const char* set, const Bytes& key) {
    const auto element = tables.element(our_table(), set, key);
    return element && netfilter::comment_of(element->userdata) == tag;
  };
  return has(kPorts, port_key(port)) && has(kSenders, sender_key(port, mac));
}

void SpoofCheck::collect_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid) {
  const netfilter::Session session;
  if (!nftables::why_unusable().empty()) return;
  remove_if([&](const std::string& tag) {
    const auto owner = nftables::parse_tag(tag);
    return owner && !nftables::is_hashed(*owner) && owner->network == network && !is_valid(*owner);
  });
}

}  // namespace berth::firewall
