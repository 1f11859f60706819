#include "firewall/iptables/nft_table.h"

#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "firewall/iptables/nft_rule.h"
#include "firewall/netfilter/change.h"

namespace berth::firewall::iptables {

namespace {

using net::Family;
using netfilter::Batch;
using netfilter::Change;

/// The base chains of the tables we use, as iptables-nft makes them.
struct BaseChain {
  const char* table;
  const char* name;
  netfilter::Hook hook;
};
constexpr BaseChain kBaseChains[] = {
    {kNatTable, "PREROUTING", {"nat", NF_INET_PRE_ROUTING, -100}},
    {kNatTable, "INPUT", {"nat", NF_INET_LOCAL_IN, 100}},
    {kNatTable, "OUTPUT", {"nat", NF_INET_LOCAL_OUT, -100}},
    {kNatTable, "POSTROUTING", {"nat", NF_INET_POST_ROUTING, 100}},
    {kFilterTable, "INPUT", {"filter", NF_INET_LOCAL_IN, 0}},
    {kFilterTable, "FORWARD", {"filter", NF_INET_FORWARD, 0}},
    {kFilterTable, "OUTPUT", {"filter", NF_INET_LOCAL_OUT, 0}},
};

const BaseChain* base_chain(const std::string& table, const std::string& chain) {
  const auto* found = std::find_if(std::begin(kBaseChains), std::end(kBaseChains),
                                   [&](const BaseChain& each) { return table == each.table && chain == each.name; });
  return found == std::end(kBaseChains) ? nullptr : found;
}

netfilter::TableName name_of(Family family, const std::string& name) {
  return {static_cast<uint8_t>(family == Family::kIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6), name};
}

bool is_verdict(const std::string& target) {
  return target.empty() || target == "ACCEPT" || target == "DROP" || target == "RETURN";
}

class NftTable final : public Table {
 public:
  NftTable(Family family, const char* name)
      : family_(family), name_(name), table_(name_of(family, name)), generation_(tables_.generation()) {
    for (auto& chain : tables_.chains(table_)) before_.insert(chain.name);
    for (const auto& chain : before_) chains_[chain];
    for (const auto& listed : tables_.rules(table_)) {
      chains_[listed.chain].push_back({listed.handle, decode_nft(family, listed)});
      handles_[listed.chain].push_back(listed.handle);
    }
  }

  Family family() const override { return family_; }
  std::string description() const override {
    return std::string(family_ == Family::kIpv4 ? "iptables" : "ip6tables") + " table " + name_;
  }

  std::vector<std::string> chains() override {
    std::vector<std::string> names;
    for (const auto& [name, entries] : chains_) names.push_back(name);
    return names;
  }
  bool has_chain(const std::string& chain) override { return chains_.contains(chain); }
  void create_chain(const std::string& chain) override {
    chains_[chain];
    changed_ = true;
  }
  void flush_chain(const std::string& chain) override {
    entries_of(chain).clear();
    changed_ = true;
  }
  void delete_chain(const std::string& chain) override {
    if (!entries_of(chain).empty() || references(chain) != 0) {
      throw std::logic_error(description() + ": chain " + chain + " is in use");
    }
    chains_.erase(chain);
    changed_ = true;
  }
  unsigned references(const std::string& chain) override {
    unsigned count = 0;
    for (const auto& [name, entries] : chains_) {
      for (const auto& entry : entries) count += entry.rule.target.data.empty() && entry.rule.target.name == chain;
    }
    return count;
  }

  using Table::rules;
  std::vector<Found> rules(const std::string& chain, const std::function<bool(const std::string&)>& wanted) override {
    std::vector<Found> found;
    const auto entries = chains_.find(chain);
    if (entries == chains_.end()) return found;
    for (unsigned number = 0; number < entries->second.size(); ++number) {
      const Rule& rule = entries->second[number].rule;
      if (wanted(rule.target.name)) found.push_back({number, rule});
    }
    return found;
  }

  void append(const std::string& chain, const Rule& rule) override {
    auto& entries = entries_for(chain, rule);
    entries.push_back({0, rule});
    changed_ = true;
  }
  void insert_first(const std::string& chain, const Rule& rule) override {
    auto& entries = entries_for(chain, rule);
    entries.insert(entries.begin(), {0, rule});
    changed_ = true;
  }
  void erase(const std::string& chain, unsigned number) override {
    auto& entries = entries_of(chain);
    entries.erase(entries.begin() + number);
    changed_ = true;
  }

 private:
  /// A rule of the kernel's, or (handle 0) one to be added.
  struct Entry {
    uint64_t handle;
    Rule rule;
  };

  std::vector<Entry>& entries_of(const std::string& chain) {
    const auto entries = chains_.find(chain);
    if (entries == chains_.end()) throw std::invalid_argument(description() + " has no chain \"" + chain + "\"");
    return entries->second;
  }

  /// Where a new rule goes; makes a base chain.
  std::vector<Entry>& entries_for(const std::string& chain, const Rule& rule) {
    const auto& target = rule.target;
    if (target.data.empty() && !is_verdict(target.name)) entries_of(target.name);
    if (base_chain(name_, chain) != nullptr) return chains_[chain];
    return entries_of(chain);
  }

  void create_what_is_missing(Change& change) {
    if (before_.empty()) change.create_table("");
    for (const auto& [name, entries] : chains_) {
      if (before_.contains(name)) continue;
      if (const auto* base = base_chain(name_, name)) {
        change.create_base_chain(name, base->hook);
      } else {
        change.create_chain(name);
      }
    }
  }

  void delete_what_is_gone(Change& change) {
    for (const auto& [chain, handles] : handles_) {
      const auto entries = chains_.find(chain);
      for (const uint64_t handle : handles) {
        const bool kept =
            entries != chains_.end() && std::any_of(entries->second.begin(), entries->second.end(),
                                                    [&](const Entry& entry) { return entry.handle == handle; });
        if (!kept) change.delete_rule(chain, handle);
      }
    }
    for (const auto& chain : before_) {
      if (!chains_.contains(chain)) change.delete_chain(chain);
    }
  }

  void add_rule(Batch& batch, const std::string& chain, const Rule& rule, unsigned position) {
    auto message = netfilter::make_message(NFT_MSG_NEWRULE, NLM_F_CREATE | position, table_.family);
    message.put(NFTA_RULE_TABLE, table_.name).put(NFTA_RULE_CHAIN, chain);
    encode_nft(message, rule);
    batch.add(std::move(message), description() + ": add a rule to " + chain);
  }

  /// New rules stand before all that the kernel has, or after them.
  void add_what_is_new(Batch& batch) {
    for (const auto& [chain, entries] : chains_) {
      const auto kept =
          std::find_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.handle != 0; });
      const auto first = kept == entries.end() ? entries.begin() : kept;
      for (auto entry = first; entry != entries.begin();) add_rule(batch, chain, (--entry)->rule, 0);
      for (auto entry = first; entry != entries.end(); ++entry) {
        if (entry->handle == 0) add_rule(batch, chain, entry->rule, NLM_F_APPEND);
      }
    }
  }

  bool replace() override {
    Batch batch;
    Change change(batch, table_);
    create_what_is_missing(change);
    delete_what_is_gone(change);
    add_what_is_new(batch);
    return tables_.commit(batch, generation_);
  }

  Family family_;
  std::string name_;
  netfilter::TableName table_;
  netfilter::Tables tables_;
  uint32_t generation_;
  std::set<std::string> before_;                          ///< The kernel's chains.
  std::map<std::string, std::vector<uint64_t>> handles_;  ///< The kernel's rules.
  std::map<std::string, std::vector<Entry>> chains_;      ///< As they are to be.
};

}  // namespace

std::unique_ptr<Table> read_nft_table(Family family, const char* name) {
  return std::make_unique<NftTable>(family, name);
}

bool nft_table_exists(Family family, const char* name) {
  return netfilter::Tables().has_table(name_of(family, name));
}

}  // namespace berth::firewall::iptables
