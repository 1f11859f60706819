#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "net/ip.h"

/// The kernel's legacy (x_tables) interface, spoken by ourselves: linux/netfilter_ipv4/ip_tables.h,
/// linux/netfilter_ipv6/ip6_tables.h and linux/netfilter/x_tables.h.
namespace berth::firewall::iptables::legacy {

/// What the two families differ in. Everything else has one shape in both: the requests and their numbers, matches,
/// targets and counters (layout.cc asserts it).
struct Layout {
  net::Family family;
  const char* tool;    ///< For messages.
  const char* module;  ///< The kernel module that has the interface.
  const char* names;   ///< The file that lists the tables of a network namespace.
  int domain;          ///< Of the socket that the requests go to.
  int level;           ///< Of its options.

  // struct ipt_entry or ip6t_entry: its size, and where its fields are.
  size_t entry_size;
  size_t target_offset;
  size_t next_offset;
};

const Layout& layout_of(net::Family family);

/// A value in bytes that need not be aligned.
template <class Value>
Value load(const uint8_t* bytes) {
  Value value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// Where the target of an entry begins, from the entry's beginning.
inline size_t target_offset(const Layout& layout, const uint8_t* entry) {
  return load<uint16_t>(entry + layout.target_offset);
}

}  // namespace berth::firewall::iptables::legacy
