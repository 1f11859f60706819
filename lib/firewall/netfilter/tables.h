#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "firewall/netfilter/conversation.h"
#include "net/connection.h"

/// nf_tables over netlink (include/uapi/linux/netfilter/nf_tables.h): one atomic batch for each change, lookups and
/// dumps. Both backends stand on it.
namespace berth::firewall::netfilter {

using Bytes = std::vector<uint8_t>;

/// A table by family (NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET, NFPROTO_BRIDGE) and name.
struct TableName {
  uint8_t family;
  std::string name;
};

/// A request of nf_tables: `type` is NFT_MSG_*, `flags` beside NLM_F_REQUEST.
net::Message make_message(unsigned type, unsigned flags, uint8_t family);
/// nf_tables numbers are in network byte order.
void put_be32(net::Message& message, int attribute, uint32_t value);
void put_be64(net::Message& message, int attribute, uint64_t value);

/// Changes that are made together or not at all.
class Batch {
 public:
  /// `doing` is what an error says was being done: "add chain x to table inet y".
  void add(net::Message message, std::string doing);
  bool empty() const { return steps_.empty(); }
  /// How many changes it holds; the next one added has this position.
  size_t size() const { return steps_.size(); }

 private:
  friend class Tables;
  struct Step {
    net::Message message;
    std::string doing;
  };
  std::vector<Step> steps_;
};

/// A change that the kernel refused: SystemError that also knows which step of the batch it was.
class BatchError : public base::SystemError {
 public:
  BatchError(const std::string& doing, int code, const std::string& detail, size_t step)
      : SystemError(doing, code, detail), step_(step) {}
  /// Position in the batch, from 0.
  size_t step() const { return step_; }

 private:
  size_t step_;
};

/// One element of a set or map.
struct Element {
  Bytes key;
  Bytes data;      ///< Of a map; empty in a set.
  Bytes userdata;  ///< TLVs of user space.
};

/// One rule as the kernel lists it.
struct ListedRule {
  std::string chain;
  uint64_t handle = 0;
  Bytes expressions;  ///< The content of NFTA_RULE_EXPRESSIONS.
  Bytes userdata;
};

/// One chain as the kernel lists it.
struct ListedChain {
  std::string name;
  uint64_t handle = 0;
  bool is_base = false;
  uint32_t use = 0;  ///< Rules in it and jumps to it.
};

/// The nf_tables of the calling thread's namespace at construction. Throws base::SystemError from every operation.
class Tables {
 public:
  /// Counts every change anybody makes to nf_tables in this namespace (NFT_MSG_GETGEN).
  uint32_t generation();

  /// Makes the changes. With `generation` only if nothing has changed since then; false if something has.
  /// Throws BatchError for the first step that failed; nothing is changed then.
  bool commit(Batch& batch, std::optional<uint32_t> generation = std::nullopt);

  bool has_table(const TableName& table);
  bool has_set(const TableName& table, const std::string& set);
  std::vector<ListedChain> chains(const TableName& table);
  /// The rules of one chain, or of the whole table. None if there is no such table or chain.
  std::vector<ListedRule> rules(const TableName& table, const std::string& chain = "");
  std::vector<std::string> sets(const TableName& table);
  std::optional<Element> element(const TableName& table, const std::string& set, const Bytes& key);
  /// None if there is no such set.
  std::vector<Element> elements(const TableName& table, const std::string& set);
  /// Whether the set has an element that `wanted` accepts; reads no further than it must.
  static bool any_element(const TableName& table, const std::string& set,
                          const std::function<bool(const Element&)>& wanted);

 private:
  Conversation connection_;
};

/// The text of a comment among user data: of a rule or of an element ("" if there is none); both have TLV type 0.
std::string comment_of(const Bytes& userdata);
/// A comment as nft writes it: type 0, length, text and a zero byte. At most 254 bytes of text.
Bytes make_comment(std::string_view text);

}  // namespace berth::firewall::netfilter
