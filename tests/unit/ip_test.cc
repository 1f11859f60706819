#include "net/ip.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace berth::net {
namespace {

TEST(IpAddressTest, TextIsReadAsGoReadsItAndWrittenAsRfc5952) {
  EXPECT_EQ("10.1.2.3", IpAddress::parse("10.1.2.3").to_string());
  EXPECT_EQ("fd00::1", IpAddress::parse("FD00:0:0:0:0:0:0:1").to_string());
  EXPECT_EQ("10.0.0.1", IpAddress::parse("::ffff:10.0.0.1").to_string());
  for (const char* bad : {"", "10.1.2", "10.1.2.03", "10.1.2.256", "fe80::1%eth0", "10.1.2.3 ", "web"}) {
    EXPECT_THROW(IpAddress::parse(bad), std::invalid_argument) << bad;
  }
}

TEST(IpAddressTest, NeighboursCarryOverBytes) {
  EXPECT_EQ("10.1.3.0", IpAddress::parse("10.1.2.255").next().to_string());
  EXPECT_EQ("10.1.2.255", IpAddress::parse("10.1.3.0").previous().to_string());
  EXPECT_EQ("fd00::1:0", IpAddress::parse("fd00::ffff").next().to_string());
}

TEST(IpAddressTest, OrderIsNumericWithinAFamily) {
  EXPECT_LT(IpAddress::parse("9.255.255.255"), IpAddress::parse("10.0.0.0"));
  EXPECT_LT(IpAddress::parse("255.0.0.0"), IpAddress::parse("::1"));
}

TEST(IpAddressTest, KnowsSpecialAddresses) {
  EXPECT_TRUE(IpAddress::parse("127.9.9.9").is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1").is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2").is_loopback());
  EXPECT_TRUE(IpAddress::parse("0.0.0.0").is_unspecified());
  EXPECT_TRUE(IpAddress::parse("::").is_unspecified());
  EXPECT_TRUE(IpAddress::parse("239.1.1.1").is_multicast());
  EXPECT_TRUE(IpAddress::parse("fe80::1").is_link_local_unicast());
}

TEST(IpNetTest, HostBitsAreKeptAndNetworkClearsThem) {
  const IpNet net = IpNet::parse("10.1.2.3/20");
  EXPECT_EQ("10.1.2.3/20", net.to_string());
  EXPECT_EQ("10.1.0.0/20", net.network().to_string());
  EXPECT_EQ("10.1.15.255", net.last().to_string());
  EXPECT_EQ("fd00:0:0:1::", IpNet::parse("fd00:0:0:1::5/64").network().address.to_string());
  EXPECT_EQ("fd00::1:ffff:ffff:ffff:ffff", IpNet::parse("fd00:0:0:1::5/64").last().to_string());
}

TEST(IpNetTest, ContainsAndOverlaps) {
  const IpNet net = IpNet::parse("10.1.0.0/16");
  EXPECT_TRUE(net.contains(IpAddress::parse("10.1.255.255")));
  EXPECT_FALSE(net.contains(IpAddress::parse("10.2.0.0")));
  EXPECT_FALSE(net.contains(IpAddress::parse("fd00::1")));
  EXPECT_TRUE(IpNet::parse("10.1.2.0/24").overlaps(net));
  EXPECT_TRUE(net.overlaps(IpNet::parse("10.1.2.0/24")));
  EXPECT_FALSE(net.overlaps(IpNet::parse("10.2.0.0/24")));
}

TEST(IpNetTest, RejectsWhatIsNoCidr) {
  for (const char* bad :
       {"10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/08", "10.1.0.0/-1", "10.1.0/24", "/24", "fd00::/129"}) {
    EXPECT_THROW(IpNet::parse(bad), std::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace berth::net
