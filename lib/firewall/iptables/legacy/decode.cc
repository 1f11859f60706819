#include <linux/netfilter_ipv4/ip_tables.h>

#include <algorithm>
#include <stdexcept>

#include "firewall/iptables/legacy/ruleset.h"

namespace berth::firewall::iptables::legacy {

namespace {

constexpr std::array<const char*, kHooks> kHookNames = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

constexpr size_t kStandardSize = XT_ALIGN(sizeof(xt_standard_target));
constexpr size_t kErrorSize = XT_ALIGN(sizeof(xt_error_target));

std::string bounded(const uint8_t* text, size_t size) {
  const auto* chars = reinterpret_cast<const char*>(text);
  return {chars, strnlen(chars, size)};
}

class Decoder {
 public:
  Decoder(const Layout& layout, Blob blob, const std::string& description)
      : layout_(layout), description_(description) {
    result_.origin = std::move(blob);
  }

  Ruleset run() && {
    divide();
    for (Chain& chain : result_.built_in) connect(chain);
    for (auto& [name, chain] : result_.users) connect(chain);
    return std::move(result_);
  }

 private:
  const Blob& blob() const { return result_.origin; }

  void require(bool condition, const char* what) const {
    if (condition) return;
    throw std::runtime_error(description_ + " is malformed: the entry at byte " + std::to_string(at_) + " " + what);
  }

  /// The entry at `at_`, in which every length is right.
  std::span<const uint8_t> entry_bytes() const {
    const uint8_t* entry = blob().bytes.data() + at_;
    const size_t left = blob().bytes.size() - at_;
    require(left >= layout_.entry_size, "is cut short");
    const size_t target = target_offset(layout_, entry);
    const size_t size = load<uint16_t>(entry + layout_.next_offset);
    require(size <= left && size % XT_ALIGN(1) == 0, "has a wrong length");
    require(target >= layout_.entry_size && target + sizeof(xt_entry_target) <= size, "has its target elsewhere");
    require(load<uint16_t>(entry + target) == size - target, "has a target of a wrong length");
    for (size_t match = layout_.entry_size; match != target;) {
      require(target - match >= sizeof(xt_entry_match), "has a match that is cut short");
      const size_t length = load<uint16_t>(entry + match);
      require(length >= sizeof(xt_entry_match) && length <= target - match, "has a match of a wrong length");
      match += length;
    }
    return {entry, size};
  }

  /// Where a jump goes is left to `connect`: its verdict is not negative.
  Entry read_entry(uint32_t number) const {
    Entry entry;
    entry.bytes = entry_bytes();
    entry.number = number;
    const auto target = target_of(entry);
    if (target[offsetof(xt_entry_target, u.user.name)] != 0) return entry;
    require(target.size() == kStandardSize, "has a verdict of a wrong length");
    entry.target = Entry::Target::kVerdict;
    entry.verdict = load<int>(target.data() + offsetof(xt_standard_target, verdict));
    return entry;
  }

  std::span<const uint8_t> target_of(const Entry& entry) const {
    return entry.bytes.subspan(target_offset(layout_, entry.bytes.data()));
  }

  /// The name in an entry whose target is ERROR.
  std::optional<std::string> error_name(const Entry& entry) const {
    if (entry.target != Entry::Target::kExtension || target_name(layout_, entry) != XT_ERROR_TARGET) return {};
    const auto target = target_of(entry);
    require(target.size() == kErrorSize, "has a name of a wrong length");
    std::string name = bounded(target.data() + offsetof(xt_error_target, errorname), XT_FUNCTION_MAXNAMELEN);
    require(!name.empty() && name.size() < XT_FUNCTION_MAXNAMELEN, "has no proper name");
    return name;
  }

  std::optional<size_t> hook_here() const {
    for (size_t hook = 0; hook < kHooks; ++hook) {
      if ((blob().valid_hooks & (1U << hook)) != 0 && blob().hook_entry.at(hook) == at_) return hook;
    }
    return std::nullopt;
  }

  /// Cuts the blob into chains.
  void divide() {
    uint32_t number = 0;
    bool ended = false;
    while (at_ < blob().bytes.size()) {
      const Entry entry = read_entry(number++);
      const size_t next = at_ + entry.bytes.size();
      if (const auto name = error_name(entry)) {
        close_chain();
        ended = next == blob().bytes.size();
        if (ended) {
          result_.end = entry;
        } else {
          open_user_chain(*name, entry);
        }
      } else {
        if (const auto hook = hook_here()) {
          close_chain();
          open_built_in_chain(*hook);
        }
        require(chain_ != nullptr, "is in no chain");
        chain_->rules.push_back(entry);
        last_ = at_;
      }
      at_ = next;
    }
    require(ended, "is missing: the table has no end");
    require(number == blob().entries, "is not the last: some are missing");
    uint32_t hooks = 0;
    for (const Chain& chain : result_.built_in) hooks |= 1U << *chain.hook;
    require(hooks == blob().valid_hooks, "is no beginning of a chain, but a hook needs one");
  }

  void open_built_in_chain(size_t hook) {
    chain_ = &result_.built_in.emplace_back();
    chain_->name = kHookNames.at(hook);
    chain_->hook = hook;
    chain_->first = static_cast<uint32_t>(at_);
    by_first_.push_back(chain_);
  }

  void open_user_chain(const std::string& name, const Entry& head) {
    // Chains usually come in their order.
    const size_t before = result_.users.size();
    chain_ = &result_.users.try_emplace(result_.users.end(), name)->second;
    require(result_.users.size() != before, "begins a chain of a name that was there before");
    chain_->name = name;
    chain_->head = head;
    chain_->first = static_cast<uint32_t>(at_ + head.bytes.size());
    by_first_.push_back(chain_);
  }

  void close_chain() {
    if (chain_ == nullptr) return;
    require(!chain_->rules.empty(), "follows a chain without an end");
    chain_->end = chain_->rules.back();
    chain_->rules.pop_back();
    require(chain_->end.target == Entry::Target::kVerdict && chain_->end.verdict < 0,
            "follows a chain that does not end in a verdict");
    require(!chain_->hook || blob().underflow.at(*chain_->hook) == last_, "follows a chain whose policy is elsewhere");
    chain_ = nullptr;
  }

  /// Finds where the jumps of a chain go.
  void connect(Chain& chain) {
    for (Entry& rule : chain.rules) {
      if (rule.target != Entry::Target::kVerdict || rule.verdict < 0) continue;
      at_ = static_cast<size_t>(rule.bytes.data() - blob().bytes.data());
      const auto to = static_cast<uint32_t>(rule.verdict);
      rule.verdict = 0;
      if (to == at_ + rule.bytes.size()) {
        rule.target = Entry::Target::kFallThrough;
        continue;
      }
      const auto found = std::lower_bound(by_first_.begin(), by_first_.end(), to,
                                          [](const Chain* each, uint32_t offset) { return each->first < offset; });
      require(found != by_first_.end() && (*found)->first == to, "jumps to where no chain begins");
      rule.target = Entry::Target::kJump;
      rule.chain = *found;
      ++rule.chain->references;
    }
  }

  const Layout& layout_;
  const std::string& description_;
  Ruleset result_;
  std::vector<Chain*> by_first_;  ///< In the order of the blob.
  Chain* chain_ = nullptr;        ///< The one being read.
  size_t at_ = 0;                 ///< The entry being read.
  size_t last_ = 0;               ///< The rule read last.
};

}  // namespace

Ruleset decode(const Layout& layout, Blob blob, const std::string& description) {
  return Decoder(layout, std::move(blob), description).run();
}

}  // namespace berth::firewall::iptables::legacy
