#include <gmock/gmock.h>

#include <set>

#include "ipam/host-local/range.h"

namespace berth::host_local {
namespace {

using net::IpAddress;
using net::IpNet;
using ::testing::ElementsAre;

Range range(const char* subnet, const char* start = "", const char* end = "", const char* gateway = "") {
  const auto address = [](const char* text) {
    return *text == '\0' ? std::nullopt : std::optional(IpAddress::parse(text));
  };
  return Range::make(IpNet::parse(subnet), address(start), address(end), address(gateway));
}

template <class Work>
std::string error_of(Work&& work) {
  try {
    work();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

/// The addresses a set gives out one after another, none being given back.
std::vector<std::string> handed_out(const RangeSet& set, std::optional<IpAddress> last, size_t limit) {
  std::set<IpAddress> taken;
  std::vector<std::string> order;
  while (order.size() < limit) {
    const auto next = set.first_free(last, [&](const IpAddress& address) { return taken.count(address) == 0; });
    if (!next) break;
    taken.insert(next->address);
    last = next->address;
    order.push_back(next->address.to_string());
  }
  return order;
}

TEST(HostLocalRangeTest, GatewayAndStartAreTheFirstHostAndTheEndSparesTheBroadcastAddress) {
  const auto made = range("10.1.0.0/24");
  EXPECT_EQ("10.1.0.1-10.1.0.254", made.to_string());
  EXPECT_EQ("10.1.0.1", made.gateway.to_string());
}

TEST(HostLocalRangeTest, Ipv6HasNoBroadcastAddressToSpare) {
  const auto made = range("fd00::/126");
  EXPECT_EQ("fd00::1-fd00::3", made.to_string());
}

TEST(HostLocalRangeTest, StartAndEndMayBeAnyAddressOfTheSubnet) {
  EXPECT_EQ("10.1.0.0-10.1.0.255", range("10.1.0.0/24", "10.1.0.0", "10.1.0.255").to_string());
}

TEST(HostLocalRangeTest, GatewayMayLieOutsideTheRangeAndTheSubnet) {
  EXPECT_EQ("10.9.0.1", range("10.1.0.0/24", "10.1.0.5", "", "10.9.0.1").gateway.to_string());
}

TEST(HostLocalRangeTest, SubnetTooSmallIsRejected) {
  EXPECT_EQ("Network 10.1.0.0/31 too small to allocate from", error_of([] { range("10.1.0.0/31"); }));
  EXPECT_EQ("Network fd00::/127 too small to allocate from", error_of([] { range("fd00::/127"); }));
  EXPECT_EQ("no error", error_of([] { range("10.1.0.0/30"); }));
  EXPECT_EQ("no error", error_of([] { range("fd00::/126"); }));
}

TEST(HostLocalRangeTest, HostBitsAreRejected) {
  EXPECT_EQ("Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0",
            error_of([] { range("10.1.0.7/24"); }));
}

TEST(HostLocalRangeTest, StartAndEndMustBeInTheSubnetAndInOrder) {
  EXPECT_EQ("RangeStart 10.2.0.1 not in network 10.1.0.0/24", error_of([] { range("10.1.0.0/24", "10.2.0.1"); }));
  EXPECT_EQ("RangeEnd fd00::1 not in network 10.1.0.0/24", error_of([] { range("10.1.0.0/24", "", "fd00::1"); }));
  EXPECT_EQ("RangeStart 10.1.0.9 is behind RangeEnd 10.1.0.5",
            error_of([] { range("10.1.0.0/24", "10.1.0.9", "10.1.0.5"); }));
}

TEST(HostLocalRangeTest, SetsAreOfOneFamilyAndDoNotOverlapThemselves) {
  EXPECT_EQ("empty range set", error_of([] { RangeSet({}); }));
  EXPECT_EQ("mixed address families", error_of([] { RangeSet({range("10.1.0.0/24"), range("fd00::/64")}); }));
  EXPECT_EQ("subnets 10.1.0.1-10.1.0.254 and 10.1.0.1-10.1.255.254 overlap", error_of([] {
              RangeSet({range("10.1.0.0/24"), range("10.1.0.0/16")});
            }));
}

TEST(HostLocalRangeTest, OverlapOfSetsIsSeen) {
  const RangeSet set({range("10.1.0.0/24", "10.1.0.10", "10.1.0.20")});
  EXPECT_TRUE(set.overlaps(RangeSet({range("10.9.0.0/24"), range("10.1.0.0/24", "10.1.0.20")})));
  EXPECT_FALSE(set.overlaps(RangeSet({range("10.1.0.0/24", "10.1.0.21")})));
}

TEST(HostLocalRangeTest, AddressesComeInOrderWithoutTheGateway) {
  EXPECT_THAT(handed_out(RangeSet({range("10.1.0.0/29")}), std::nullopt, 99),
              ElementsAre("10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"));
}

TEST(HostLocalRangeTest, RangesFollowEachOtherAndWrapAround) {
  const RangeSet set({range("10.1.0.0/24", "10.1.0.5", "10.1.0.6"), range("10.2.0.0/24", "10.2.0.1", "10.2.0.3")});
  EXPECT_THAT(handed_out(set, IpAddress::parse("10.1.0.5"), 99),
              ElementsAre("10.1.0.6", "10.2.0.2", "10.2.0.3", "10.1.0.5"));
  EXPECT_THAT(handed_out(set, IpAddress::parse("10.2.0.3"), 2), ElementsAre("10.1.0.5", "10.1.0.6"));
}

TEST(HostLocalRangeTest, AnUnknownLastAddressMeansTheBeginning) {
  EXPECT_THAT(handed_out(RangeSet({range("10.1.0.0/29")}), IpAddress::parse("10.77.0.1"), 1), ElementsAre("10.1.0.2"));
}

TEST(HostLocalRangeTest, ASetOfOnlyItsGatewayHasNothingToGive) {
  EXPECT_THAT(handed_out(RangeSet({range("10.1.0.0/24", "10.1.0.1", "10.1.0.1")}), std::nullopt, 9), ElementsAre());
}

TEST(HostLocalRangeTest, TheWholeIpv6SpaceIsNotWalkedToFindAnAddress) {
  EXPECT_THAT(handed_out(RangeSet({range("fd00::/64")}), IpAddress::parse("fd00::ffff:ffff:ffff:ffff"), 2),
              ElementsAre("fd00::2", "fd00::3"));
}

}  // namespace
}  // namespace berth::host_local
