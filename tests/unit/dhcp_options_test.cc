// What a client makes of the options a server sends.
#include "ipam/dhcp/options.h"

#include <gmock/gmock.h>

namespace berth::dhcp {
namespace {

using net::IpAddress;
using net::IpNet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Options with(uint8_t code, std::string bytes) {
  return {{code, std::move(bytes)}};
}

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}

ServerRoute route(const char* dst, const char* gateway) {
  return {IpNet::parse(dst), IpAddress::parse(gateway)};
}

TEST(DhcpOptionsTest, AddressesComeInFours) {
  EXPECT_THAT(addresses_in(with(6, bytes_of({10, 0, 0, 1, 10, 0, 0, 2})), 6),
              ElementsAre(IpAddress::parse("10.0.0.1"), IpAddress::parse("10.0.0.2")));
  EXPECT_THAT(addresses_in(with(6, bytes_of({10, 0, 0, 1, 10})), 6), IsEmpty());
  EXPECT_THAT(addresses_in({}, 6), IsEmpty());
}

TEST(DhcpOptionsTest, NumbersHaveTheirExactSize) {
  EXPECT_EQ(u16_in(with(26, bytes_of({5, 0x78})), 26), 1400);
  EXPECT_EQ(u16_in(with(26, bytes_of({5})), 26), std::nullopt);
  EXPECT_EQ(u16_in(with(26, bytes_of({5, 6, 7})), 26), std::nullopt);
  EXPECT_EQ(u32_in(with(51, bytes_of({0, 0, 1, 0})), 51), 256U);
}

TEST(DhcpOptionsTest, MasksAreOnesAndThenZeros) {
  EXPECT_EQ(prefix_in(with(1, bytes_of({255, 255, 254, 0}))), 23U);
  EXPECT_EQ(prefix_in(with(1, bytes_of({255, 255, 255, 255}))), 32U);
  EXPECT_EQ(prefix_in(with(1, bytes_of({0, 0, 0, 0}))), 0U);
  EXPECT_EQ(prefix_in(with(1, bytes_of({255, 0, 255, 0}))), std::nullopt);
}

TEST(DhcpOptionsTest, ClasslessRoutesHaveAsManyBytesAsTheirPrefixNeeds) {
  const auto routes = classless_routes_in(with(
      121, bytes_of({0, 10, 0, 0, 1, 8, 10, 10, 0, 0, 2, 25, 10, 1, 2, 255, 10, 0, 0, 3, 32, 1, 2, 3, 4, 0, 0, 0, 0})));
  EXPECT_THAT(routes, ElementsAre(route("0.0.0.0/0", "10.0.0.1"), route("10.0.0.0/8", "10.0.0.2"),
                                  route("10.1.2.128/25", "10.0.0.3"), route("1.2.3.4/32", "0.0.0.0")));
}

TEST(DhcpOptionsTest, MalformedClasslessRoutesAreNone) {
  EXPECT_THAT(classless_routes_in(with(121, bytes_of({33, 1, 2, 3, 4, 5, 10, 0, 0, 1}))), IsEmpty());
  EXPECT_THAT(classless_routes_in(with(121, bytes_of({24, 10, 0}))), IsEmpty());
  EXPECT_THAT(classless_routes_in(with(121, bytes_of({8, 10, 10, 0, 0, 1, 24}))), IsEmpty());
}

TEST(DhcpOptionsTest, StaticRoutesHaveTheMaskOfTheirClassAndNoHostBits) {
  const auto routes = static_routes_in(with(33, bytes_of({10,  1,   2, 3, 10, 0, 0, 1, 172, 16, 5, 6, 10, 0, 0, 2,
                                                          192, 168, 7, 8, 10, 0, 0, 3, 0,   0,  0, 0, 10, 0, 0, 4})));
  EXPECT_THAT(routes, ElementsAre(route("10.0.0.0/8", "10.0.0.1"), route("172.16.0.0/16", "10.0.0.2"),
                                  route("192.168.7.0/24", "10.0.0.3")));
}

TEST(DhcpOptionsTest, DomainsAreNamesAndNothingElse) {
  EXPECT_EQ(domain_in(with(15, "example.org")), "example.org");
  EXPECT_EQ(domain_in(with(15, std::string("example.org.\0", 13))), "example.org");
  EXPECT_EQ(domain_in(with(15, "example.org\nnameserver 6.6.6.6")), "");
  EXPECT_EQ(domain_in(with(15, "a b")), "");
  EXPECT_EQ(domain_in(with(15, "")), "");
}

TEST(DhcpOptionsTest, SearchDomainsAreDecompressed) {
  // "eng.apple.com" and "marketing.apple.com", the example of RFC 3397.
  const std::string bytes = bytes_of({3}) + "eng" + bytes_of({5}) + "apple" + bytes_of({3}) + "com" + bytes_of({0, 9}) +
                            "marketing" + bytes_of({0xc0, 4});
  EXPECT_THAT(search_domains_in(with(119, bytes)), ElementsAre("eng.apple.com", "marketing.apple.com"));
}

TEST(DhcpOptionsTest, SearchDomainsThatWouldNeverEndAreRefused) {
  EXPECT_THAT(search_domains_in(with(119, bytes_of({0xc0, 0}))), IsEmpty());
  EXPECT_THAT(search_domains_in(with(119, bytes_of({1, 'a', 0xc0, 0}))), IsEmpty());
  EXPECT_THAT(search_domains_in(with(119, bytes_of({1, 'a', 0xc0, 9, 0, 0, 0, 0, 0, 1}))), IsEmpty());
  EXPECT_THAT(search_domains_in(with(119, bytes_of({0xc0}))), IsEmpty());
}

TEST(DhcpOptionsTest, SearchDomainsThatEndTooEarlyAreRefused) {
  EXPECT_THAT(search_domains_in(with(119, bytes_of({3, 'a', 'b'}))), IsEmpty());
  EXPECT_THAT(search_domains_in(with(119, bytes_of({3, 'a', 'b', 'c'}))), IsEmpty());
  EXPECT_THAT(search_domains_in(with(119, bytes_of({0x40, 'a'}))), IsEmpty());
}

TEST(DhcpOptionsTest, SearchDomainsThatAreNoNamesAreLeftOut) {
  EXPECT_THAT(search_domains_in(with(119, bytes_of({2, 'a', '\n', 0, 1, 'b', 0, 0}))), ElementsAre("b"));
}

TEST(DhcpOptionsTest, CodesAreNumbersOrTheSixNames) {
  EXPECT_EQ(option_code("dhcp-client-identifier"), 61);
  EXPECT_EQ(option_code("subnet-mask"), 1);
  EXPECT_EQ(option_code("routers"), 3);
  EXPECT_EQ(option_code("host-name"), 12);
  EXPECT_EQ(option_code("user-class"), 77);
  EXPECT_EQ(option_code("vendor-class-identifier"), 60);
  EXPECT_EQ(option_code("0"), 0);
  EXPECT_EQ(option_code("255"), 255);
  for (const char* text : {"", "256", "-1", "1x", "+1", "hostname", "0x1"}) {
    EXPECT_EQ(option_code(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace berth::dhcp
