#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "firewall/netfilter/tables.h"

namespace berth::firewall::netfilter {

/// Numbers by which nft knows the types of keys and values; the kernel only keeps them.
inline constexpr uint32_t kTypeIpv4 = 7;
inline constexpr uint32_t kTypeIpv6 = 8;
inline constexpr uint32_t kTypeEther = 9;
inline constexpr uint32_t kTypeProtocol = 12;
inline constexpr uint32_t kTypePort = 13;
inline constexpr uint32_t kTypeIfname = 41;

/// The type of a concatenation ("ipv4_addr . inet_proto . inet_service"), first part first.
constexpr uint32_t concatenated(std::initializer_list<uint32_t> types) {
  constexpr unsigned kBits = 6;
  uint32_t result = 0;
  for (const uint32_t type : types) result = (result << kBits) | type;
  return result;
}

/// What a set's keys, or a map's keys and values are; lengths in bytes, every part of a concatenation padded to 4.
struct SetShape {
  uint32_t key_type;
  uint32_t key_length;
  uint32_t data_type = 0;
  uint32_t data_length = 0;  ///< 0: a set.
  bool host_order = false;   ///< Of the key: what nft must know to show names of interfaces the right way round.
};

/// Where the kernel calls a base chain.
struct Hook {
  const char* type;  ///< "nat", "filter"
  uint32_t number;   ///< NF_INET_PRE_ROUTING, …
  int32_t priority;
};

/// Appends expressions (expressions.h) to a rule's message.
using Expressions = std::function<void(net::Message&)>;

/// Adds changes of one table to a batch. Creating a table, a chain or a set that is there is no error, except where
/// `exclusive` says so (EEXIST).
class Change {
 public:
  Change(Batch& batch, TableName table) : batch_(batch), table_(std::move(table)) {}

  void create_table(const std::string& comment, bool exclusive = false);
  void delete_table();

  void create_chain(const std::string& chain);
  void create_base_chain(const std::string& chain, const Hook& hook);
  void delete_chain(const std::string& chain);

  void append_rule(const std::string& chain, const Expressions& expressions, const Bytes& userdata = {});
  void insert_rule(const std::string& chain, const Expressions& expressions, const Bytes& userdata = {});
  void delete_rule(const std::string& chain, uint64_t handle);
  void flush_chain(const std::string& chain);

  void create_set(const std::string& set, const SetShape& shape, bool exclusive = false);
  void delete_set(const std::string& set);
  /// EEXIST if the key is there.
  void add_element(const std::string& set, const Element& element);
  /// ENOENT if it is not there.
  void delete_element(const std::string& set, const Bytes& key);

 private:
  void add_rule(const std::string& chain, unsigned flags, const Expressions& expressions, const Bytes& userdata);
  net::Message message(unsigned type, unsigned flags = 0) const;
  void add(net::Message message, const std::string& doing);

  Batch& batch_;
  TableName table_;
};

}  // namespace berth::firewall::netfilter
