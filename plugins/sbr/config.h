#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cni/request.h"
#include "net/ip.h"

namespace berth::sbr {

/// The sbr plugin's keys, checked.
struct Config {
  std::optional<uint32_t> table;         ///< Filled by somebody else; only rules are made.
  std::vector<net::IpAddress> gateways;  ///< At most one of each family; they override those of the addresses.
  bool add_source_hints = false;         ///< addSourceHints: the subnets stay in the main table.

  /// Throws cni::Error or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);

  /// The gateway that `gateways` has for a family.
  std::optional<net::IpAddress> gateway(net::Family family) const;
};

/// The `table` key alone: all that DEL needs.
std::optional<uint32_t> parse_table(const cni::Request& request);

}  // namespace berth::sbr
