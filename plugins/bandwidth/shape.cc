#include "bandwidth/shape.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <limits>

namespace berth::bandwidth {

namespace {

constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMicroseconds = 1'000'000;
constexpr uint64_t kMilliseconds = 1'000;
constexpr uint64_t kNanoseconds = 1'000'000'000;
// One tick is 2^6 ns (PSCHED_SHIFT in include/net/pkt_sched.h; what /proc/net/psched says since Linux 2.6.31).
constexpr uint64_t kNanosecondsPerTick = 64;

uint32_t clamped(uint64_t value) {
  return static_cast<uint32_t>(std::min(value, kMost));
}

/// As the reference does it: in whole microseconds first. `bytes` below 2^33, so that nothing wraps around.
uint64_t ticks_to_send(uint64_t bytes, uint64_t rate) {
  const uint64_t microseconds = bytes * kMicroseconds / rate;
  return microseconds * (kNanoseconds / kMicroseconds) / kNanosecondsPerTick;
}

/// Enough for a packet of so many bytes, however fast: rounded up.
uint64_t ticks_for_packet(uint64_t bytes, uint64_t rate) {
  const uint64_t nanoseconds = (bytes * kNanoseconds + rate - 1) / rate;
  return (nanoseconds + kNanosecondsPerTick - 1) / kNanosecondsPerTick;
}

/// Beyond kMost bytes a millisecond every latency is clamped anyway.
uint64_t bytes_during(std::chrono::milliseconds time, uint64_t rate) {
  return std::min(rate, kMost * kMilliseconds) * static_cast<uint64_t>(time.count()) / kMilliseconds;
}

}  // namespace

net::TokenBucket shape(const Limit& limit, std::chrono::milliseconds latency, unsigned mtu) {
  const uint64_t packet = mtu + ETH_HLEN;
  const uint64_t burst = std::max(limit.burst, packet);
  net::TokenBucket bucket;
  bucket.rate = limit.rate;
  bucket.limit = clamped(bytes_during(latency, limit.rate) + burst);
  bucket.buffer = clamped(std::max(ticks_to_send(burst, limit.rate), ticks_for_packet(packet, limit.rate)));
  return bucket;
}

}  // namespace berth::bandwidth
