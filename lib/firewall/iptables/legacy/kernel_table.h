#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "firewall/iptables/legacy/blob.h"
#include "firewall/iptables/legacy/layout.h"

namespace berth::firewall::iptables::legacy {

/// How often a rule was met. What struct xt_counters holds.
struct Counters {
  uint64_t packets = 0;
  uint64_t bytes = 0;

  bool operator==(const Counters&) const = default;
};

/// One table of the network namespace that the calling thread was in when this was made: the socket options of
/// linux/netfilter_ipv4/ip_tables.h.
class KernelTable {
 public:
  /// Throws base::SystemError "read the legacy iptables table nat: …", as read() does.
  KernelTable(const Layout& layout, std::string name);

  /// "iptables table nat".
  std::string description() const;

  /// IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES. The kernel makes the table if there is none; its module is loaded if nobody
  /// has since boot.
  Blob read() const;

  /// IPT_SO_SET_REPLACE: gives the kernel another table with counters that are zero, and returns the old ones, by
  /// entry. nullopt if the table does not have `old_entries` entries: somebody changed it. Throws base::SystemError
  /// "change the legacy iptables table nat: …".
  std::optional<std::vector<Counters>> replace(const Blob& blob, uint32_t old_entries) const;

  /// IPT_SO_SET_ADD_COUNTERS, for every entry. Does nothing if somebody changed the table meanwhile, as nobody knows
  /// then which entry was which; throws as replace() does.
  void add(const std::vector<Counters>& counters) const;

 private:
  const Layout& layout_;
  std::string name_;
  base::Fd socket_;
};

}  // namespace berth::firewall::iptables::legacy
