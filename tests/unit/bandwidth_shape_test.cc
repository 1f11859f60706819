// The arithmetic of token buckets: the reference's figures, and no wrap-around where it has one.

#include <gtest/gtest.h>

#include <limits>

#include "bandwidth/shape.h"

namespace berth::bandwidth {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLatency{25};
constexpr unsigned kMtu = 1500;
constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();

net::TokenBucket shape_of(uint64_t rate, uint64_t burst) {
  return shape({rate, burst}, kLatency, kMtu);
}

TEST(BandwidthShapeTest, EightMegabitsWithABurstOfAHundredKilobytes) {
  EXPECT_EQ(shape_of(1'000'000, 100'000), (net::TokenBucket{1'000'000, 125'000, 1'562'500}));
}

TEST(BandwidthShapeTest, WholeMicrosecondsAreCountedFirstAsInTheReference) {
  // 10000 bytes at 3 bytes a microsecond: 3333 µs, 15.625 ticks each.
  EXPECT_EQ(shape_of(3'000'000, 10'000).buffer, 52'078U);
}

TEST(BandwidthShapeTest, ContainerdsDefaultBurstIsClampedInsteadOfWrappedAround) {
  const auto bucket = shape_of(1'250'000, 536'870'911);
  EXPECT_EQ(bucket.buffer, kMost);
  EXPECT_EQ(bucket.limit, 536'870'911U + 31'250U);
}

TEST(BandwidthShapeTest, TheLargestBurstAtTheSmallestRate) {
  const auto bucket = shape_of(1, kMost - 1);
  EXPECT_EQ(bucket.buffer, kMost);
  EXPECT_EQ(bucket.limit, kMost - 1);
}

TEST(BandwidthShapeTest, TheLargestRateThereIs) {
  const auto bucket = shape({std::numeric_limits<uint64_t>::max() / 8, kMost - 1}, milliseconds(10'000), kMtu);
  EXPECT_EQ(bucket.rate, std::numeric_limits<uint64_t>::max() / 8);
  EXPECT_EQ(bucket.limit, kMost);
  EXPECT_EQ(bucket.buffer, 1U);
}

TEST(BandwidthShapeTest, TheBucketHoldsAtLeastOnePacket) {
  const auto small = shape_of(1'000'000, 1);
  EXPECT_EQ(small.limit, 25'000U + 1'514U);
  EXPECT_EQ(small.buffer, 23'657U);  // 1514 µs are 23656.25 ticks
  // At a rate at which a packet takes less than a microsecond the reference's count is 0 ticks: nothing would pass.
  const auto fast = shape_of(12'500'000'000, 1'514);
  EXPECT_GE(static_cast<uint64_t>(fast.buffer) * 64 * 25 / 2, 1'514U);
}

TEST(BandwidthShapeTest, TheQueueIsAsLongAsTheLatencySays) {
  EXPECT_EQ(shape({1'000'000, 100'000}, milliseconds(5), kMtu).limit, 105'000U);
}

}  // namespace
}  // namespace berth::bandwidth
