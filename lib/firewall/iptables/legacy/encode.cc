#include <linux/netfilter_ipv4/ip_tables.h>

#include <climits>
#include <stdexcept>

#include "firewall/iptables/legacy/ruleset.h"
#include "firewall/iptables/rule.h"

namespace berth::firewall::iptables::legacy {

namespace {

/// The chains in the order of the blob.
std::vector<Chain*> in_order(Ruleset& ruleset) {
  std::vector<Chain*> chains;
  for (Chain& chain : ruleset.built_in) chains.push_back(&chain);
  for (auto& [name, chain] : ruleset.users) chains.push_back(&chain);
  return chains;
}

/// Says where every chain will begin, so that jumps forward are known. Returns the size of all.
size_t place(const std::vector<Chain*>& chains, const Entry& end) {
  size_t at = 0;
  for (Chain* chain : chains) {
    at += chain->head.bytes.size();
    chain->first = static_cast<uint32_t>(at);
    for (const Entry& rule : chain->rules) at += rule.bytes.size();
    at += chain->end.bytes.size();
    // The kernel takes offsets in verdicts, which are signed.
    if (at > INT_MAX) throw std::length_error("table is too large for the kernel");
  }
  return at + end.bytes.size();
}

class Writer {
 public:
  Writer(const Layout& layout, size_t size) : layout_(layout) { result_.blob.bytes.reserve(size); }

  uint32_t offset() const { return static_cast<uint32_t>(result_.blob.bytes.size()); }

  void write(const Entry& entry) {
    auto& bytes = result_.blob.bytes;
    const size_t at = bytes.size();
    bytes.insert(bytes.end(), entry.bytes.begin(), entry.bytes.end());
    result_.origins.push_back(entry.number);
    if (entry.target == Entry::Target::kJump) put_verdict(at, static_cast<int>(entry.chain->first));
    if (entry.target == Entry::Target::kFallThrough) put_verdict(at, static_cast<int>(bytes.size()));
  }

  void write(const Chain& chain) {
    Blob& blob = result_.blob;
    if (chain.hook) {
      blob.valid_hooks |= 1U << *chain.hook;
      blob.hook_entry.at(*chain.hook) = chain.first;
    } else {
      write(chain.head);
    }
    for (const Entry& rule : chain.rules) write(rule);
    if (chain.hook) blob.underflow.at(*chain.hook) = offset();
    write(chain.end);
  }

  Encoded take() && {
    result_.blob.entries = static_cast<uint32_t>(result_.origins.size());
    return std::move(result_);
  }

 private:
  void put_verdict(size_t entry, int verdict) {
    uint8_t* bytes = result_.blob.bytes.data() + entry;
    std::memcpy(bytes + target_offset(layout_, bytes) + offsetof(xt_standard_target, verdict), &verdict,
                sizeof verdict);
  }

  const Layout& layout_;
  Encoded result_;
};

}  // namespace

Encoded encode(const Layout& layout, Ruleset& ruleset) {
  const auto chains = in_order(ruleset);
  Writer writer(layout, place(chains, ruleset.end));
  for (const Chain* chain : chains) writer.write(*chain);
  writer.write(ruleset.end);
  return std::move(writer).take();
}

std::vector<uint8_t> head_bytes(net::Family family, const std::string& name) {
  Rule rule(family);
  constexpr size_t kSize = XT_ALIGN(sizeof(xt_error_target)) - sizeof(xt_entry_target);
  rule.target = {XT_ERROR_TARGET, 0, std::vector<uint8_t>(kSize)};
  if (name.size() >= XT_FUNCTION_MAXNAMELEN) throw std::invalid_argument("chain name is too long: \"" + name + "\"");
  std::memcpy(rule.target.data.data(), name.data(), name.size());
  return iptables::encode(rule);
}

void set_verdict(const Layout& layout, std::vector<uint8_t>& entry, int verdict) {
  uint8_t* target = entry.data() + target_offset(layout, entry.data());
  std::memset(target + offsetof(xt_entry_target, u.user.name), 0, XT_EXTENSION_MAXNAMELEN);
  std::memcpy(target + offsetof(xt_standard_target, verdict), &verdict, sizeof verdict);
}

}  // namespace berth::firewall::iptables::legacy
