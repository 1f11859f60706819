// Visits to network namespaces, and their sysctls.

#include <gmock/gmock.h>

#include "base/error.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "support/netlink.h"
#include "support/sandbox.h"

namespace berth::net {
namespace {

using ::testing::HasSubstr;

class NetNsTest : public test::Sandbox {};

TEST_F(NetNsTest, AVisitReturnsEvenIfTheWorkThrows) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  const auto home = NetNs::current();
  EXPECT_THROW(netns.within([&] {
    EXPECT_TRUE(NetNs::current().same_as(netns));
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_TRUE(NetNs::current().same_as(home));
  EXPECT_FALSE(netns.same_as(home));
  EXPECT_TRUE(netns.same_as(there.open()));
}

TEST_F(NetNsTest, WhatIsNoNetworkNamespaceIsRefused) {
  EXPECT_THROW(NetNs::open("/dev/null"), std::invalid_argument);
  EXPECT_THROW(NetNs::open("/proc/self/ns/mnt"), std::invalid_argument);
  EXPECT_EQ(error_of(ENOENT, [] { NetNs::open("/run/netns/nosuch"); }),
            "open network namespace /run/netns/nosuch: no such file or directory");
}

class SysctlTest : public test::Sandbox {};

TEST_F(SysctlTest, NamesWithDotsAreReachedInBothSpellings) {
  Netlink::here().create_bridge("br0.7", 0, false);
  sysctl::write("net/ipv4/conf/br0.7/arp_notify", "1");
  EXPECT_EQ(sysctl::read("net/ipv4/conf/br0.7/arp_notify"), "1");
  EXPECT_EQ(sysctl::read("net.ipv4.conf.br0/7.arp_notify"), "1");
}

TEST_F(SysctlTest, EnsureWritesOnlyWhatDiffersAndTryWriteNeverFails) {
  sysctl::ensure("net/ipv4/ip_forward", "1");
  EXPECT_EQ(sysctl::read("net/ipv4/ip_forward"), "1");
  sysctl::ensure("net/ipv4/ip_forward", "0");
  EXPECT_EQ(sysctl::read("net/ipv4/ip_forward"), "0");
  sysctl::try_write("net/ipv4/no_such_setting", "1");
  error_of(ENOENT, [] { sysctl::read("net/ipv4/no_such_setting"); });
}

}  // namespace
}  // namespace berth::net
