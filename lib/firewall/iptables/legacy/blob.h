#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace berth::firewall::iptables::legacy {

/// The hooks of netfilter that a table may have chains at, by number: PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING.
inline constexpr size_t kHooks = 5;

/// A table as the kernel gives and takes it: entries one after the other, and offsets into them in bytes.
///
/// A built-in chain begins where `hook_entry` says; a chain of the user's begins after an entry whose target is ERROR
/// and carries the chain's name. The last entry of a chain is its end, a verdict: the policy, at `underflow`, or
/// RETURN. The last entry of all has the target ERROR, too. A jump is a verdict that is the offset of a chain's first
/// entry.
struct Blob {
  static constexpr uint32_t kNone = 0xffffffff;

  uint32_t valid_hooks = 0;  ///< A bit for each hook that has a chain.
  std::array<uint32_t, kHooks> hook_entry{kNone, kNone, kNone, kNone, kNone};
  std::array<uint32_t, kHooks> underflow{kNone, kNone, kNone, kNone, kNone};
  uint32_t entries = 0;  ///< How many.
  std::vector<uint8_t> bytes;

  bool operator==(const Blob&) const = default;
};

}  // namespace berth::firewall::iptables::legacy
