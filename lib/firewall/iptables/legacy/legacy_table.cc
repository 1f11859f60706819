#include "firewall/iptables/legacy/legacy_table.h"

#include <linux/netfilter/x_tables.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "firewall/iptables/legacy/kernel_table.h"
#include "firewall/iptables/legacy/ruleset.h"

namespace berth::firewall::iptables {

namespace {

using legacy::Chain;
using legacy::Counters;
using legacy::Entry;
using legacy::Layout;
using net::Family;

class LegacyTable final : public Table {
 public:
  LegacyTable(const Layout& layout, const char* name)
      : layout_(layout), kernel_(layout, name), rules_(legacy::decode(layout, kernel_.read(), kernel_.description())) {}

  Family family() const override { return layout_.family; }
  std::string description() const override { return kernel_.description(); }

  std::vector<std::string> chains() override {
    std::vector<std::string> names;
    for (const Chain& chain : rules_.built_in) names.push_back(chain.name);
    for (const auto& [name, chain] : rules_.users) names.push_back(name);
    return names;
  }

  bool has_chain(const std::string& chain) override { return rules_.find(chain) != nullptr; }

  void create_chain(const std::string& chain) override {
    const char* const doing = "create chain";
    // The kernel checks names of chains as it does those of targets: one byte less, and a zero.
    if (chain.size() >= XT_EXTENSION_MAXNAMELEN)
      throw std::invalid_argument("chain name is too long: \"" + chain + "\"");
    if (chain.empty() || legacy::verdict_of(chain)) refuse(doing, chain, EINVAL, "no name for a chain");
    if (has_chain(chain)) refuse(doing, chain, EEXIST);
    Chain& made = rules_.users[chain];
    made.name = chain;
    made.head.bytes = keep(legacy::head_bytes(family(), chain));
    Rule end(family());
    end.target.name = "RETURN";
    made.end = new_entry(end);
    changed_ = true;
  }

  void flush_chain(const std::string& chain) override {
    Chain& flushed = existing("flush chain", chain);
    for (const Entry& rule : flushed.rules) forget(rule);
    flushed.rules.clear();
    changed_ = true;
  }

  void delete_chain(const std::string& chain) override {
    const char* const doing = "delete chain";
    const Chain& deleted = existing(doing, chain);
    if (deleted.hook) refuse(doing, chain, EINVAL, "a built-in chain stays");
    if (!deleted.rules.empty()) refuse(doing, chain, ENOTEMPTY, "it has rules");
    if (deleted.references != 0) refuse(doing, chain, EBUSY, "rules jump to it");
    rules_.users.erase(chain);
    changed_ = true;
  }

  unsigned references(const std::string& chain) override {
    return existing("count references to chain", chain).references;
  }

  using Table::rules;
  std::vector<Found> rules(const std::string& chain, const std::function<bool(const std::string&)>& wanted) override {
    std::vector<Found> found;
    const Chain* asked = rules_.find(chain);
    if (asked == nullptr) return found;
    std::string scratch;
    for (unsigned number = 0; number < asked->rules.size(); ++number) {
      const Entry& rule = asked->rules[number];
      const std::string& target =
          rule.target == Entry::Target::kJump ? rule.chain->name : (scratch = legacy::target_name(layout_, rule));
      const bool is_jump = rule.target != Entry::Target::kExtension;
      if (wanted(target)) found.push_back({number, decode(family(), rule.bytes.data(), target, is_jump)});
    }
    return found;
  }

  void append(const std::string& chain, const Rule& rule) override {
    Chain& longer = existing("append a rule to", chain);
    longer.rules.push_back(new_entry(rule));
    changed_ = true;
  }

  void insert_first(const std::string& chain, const Rule& rule) override {
    Chain& longer = existing("insert a rule into", chain);
    longer.rules.insert(longer.rules.begin(), new_entry(rule));
    changed_ = true;
  }

  void erase(const std::string& chain, unsigned number) override {
    const char* const doing = "delete a rule of";
    Chain& shorter = existing(doing, chain);
    if (number >= shorter.rules.size()) refuse(doing, chain, E2BIG, "it has only " + count(shorter));
    forget(shorter.rules[number]);
    shorter.rules.erase(shorter.rules.begin() + number);
    changed_ = true;
  }

 private:
  static std::string count(const Chain& chain) { return std::to_string(chain.rules.size()); }

  [[noreturn]] void refuse(const char* doing, const std::string& chain, int error,
                           const std::string& explanation = {}) const {
    throw base::SystemError(description() + ": " + doing + " " + chain, error, explanation);
  }

  Chain& existing(const char* doing, const std::string& chain) {
    Chain* found = rules_.find(chain);
    if (found == nullptr) refuse(doing, chain, ENOENT, "no such chain");
    return *found;
  }

  std::span<const uint8_t> keep(std::vector<uint8_t> bytes) { return rules_.added.emplace_back(std::move(bytes)); }

  Entry new_entry(const Rule& rule) {
    Entry entry;
    std::vector<uint8_t> bytes = encode(rule);
    const auto& [name, revision, data] = rule.target;
    if (data.empty()) {
      const auto verdict = legacy::verdict_of(name);
      entry.verdict = verdict.value_or(0);
      entry.target = Entry::Target::kVerdict;
      if (name.empty()) {
        entry.target = Entry::Target::kFallThrough;
      } else if (!verdict) {
        const auto to = rules_.users.find(name);
        if (to == rules_.users.end()) throw std::invalid_argument(description() + " has no chain \"" + name + "\"");
        entry.target = Entry::Target::kJump;
        entry.chain = &to->second;
        ++entry.chain->references;
      }
      legacy::set_verdict(layout_, bytes, entry.verdict);
    }
    entry.bytes = keep(std::move(bytes));
    return entry;
  }

  static void forget(const Entry& rule) {
    if (rule.target == Entry::Target::kJump) --rule.chain->references;
  }

  bool replace() override {
    const auto [blob, origins] = legacy::encode(layout_, rules_);
    const auto before = kernel_.replace(blob, rules_.origin.entries);
    if (!before) return false;
    std::vector<Counters> counters(origins.size());
    std::transform(origins.begin(), origins.end(), counters.begin(),
                   [&](const std::optional<uint32_t>& number) { return number ? before->at(*number) : Counters{}; });
    kernel_.add(counters);
    return true;
  }

  const Layout& layout_;
  legacy::KernelTable kernel_;
  legacy::Ruleset rules_;
};

}  // namespace

std::unique_ptr<Table> read_legacy_table(Family family, const char* name) {
  return std::make_unique<LegacyTable>(legacy::layout_of(family), name);
}

bool legacy_table_exists(Family family, const char* name) {
  std::string names;
  try {
    names = "\n" + base::read_file(legacy::layout_of(family).names);
  } catch (const base::SystemError& error) {
    if (error.code() == ENOENT) return false;
    throw;
  }
  return names.find(std::string("\n") + name + "\n") != std::string::npos;
}

}  // namespace berth::firewall::iptables
