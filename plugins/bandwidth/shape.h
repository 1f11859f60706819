#pragma once

#include <chrono>
#include <cstdint>

#include "net/traffic_control.h"

namespace berth::bandwidth {

/// What one direction may carry.
struct Limit {
  uint64_t rate = 0;   ///< Bytes a second, at least 1.
  uint64_t burst = 0;  ///< Bytes that may go at once after a pause.

  bool operator==(const Limit&) const = default;
};

/// The kernel's parameters for a limit, as the reference computes them, except that nothing wraps around: the bucket
/// takes at most 2^32-1 ticks (275 s) to empty, and at most 2^32-1 bytes wait. `latency` is how long a packet may wait
/// for tokens beyond the burst.
///
/// A bucket smaller than a packet would let none through: it holds at least a packet of `mtu` with its Ethernet header.
net::TokenBucket shape(const Limit& limit, std::chrono::milliseconds latency, unsigned mtu);

}  // namespace berth::bandwidth
