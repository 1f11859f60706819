#include <gmock/gmock.h>

#include "ipam/host-local/resolv_conf.h"

namespace berth::host_local {
namespace {

using ::testing::ElementsAre;

TEST(HostLocalResolvConfTest, KnownKeywordsAreTaken) {
  const auto dns = parse_resolv_conf(
      "# a comment\n; another\nnameserver 192.0.2.1\nnameserver\t192.0.2.2 \r\ndomain old.test\ndomain box.test\n"
      "search one.test two.test\n  options ndots:2 rotate\noptions timeout:1\nsortlist 10.0.0.0");
  EXPECT_THAT(dns.nameservers, ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_EQ("box.test", dns.domain);
  EXPECT_THAT(dns.search, ElementsAre("one.test", "two.test"));
  EXPECT_THAT(dns.options, ElementsAre("ndots:2", "rotate", "timeout:1"));
}

TEST(HostLocalResolvConfTest, AKeywordAloneSaysNothing) {
  EXPECT_TRUE(parse_resolv_conf("nameserver\n\ndomain\n#nameserver 192.0.2.1").empty());
}

}  // namespace
}  // namespace berth::host_local
