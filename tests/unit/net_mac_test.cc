#include <gtest/gtest.h>

#include "net/mac.h"

namespace berth::net {
namespace {

TEST(MacAddressTest, IsReadInEachNotationThatGoReads) {
  const auto expected = MacAddress::parse("02:42:ac:11:00:fe");
  EXPECT_EQ(MacAddress::parse("02-42-AC-11-00-FE"), expected);
  EXPECT_EQ(MacAddress::parse("0242.ac11.00fe"), expected);
  EXPECT_EQ(expected.to_string(), "02:42:ac:11:00:fe");
}

TEST(MacAddressTest, OtherTextIsRefusedByItsName) {
  for (const char* text : {"", "02:42:ac:11:00", "02:42:ac:11:00:0g", "02:42-ac:11:00:02", "02:42:ac:11:00:02:03",
                           "0242ac110002", "2:42:ac:11:0:2", "02:42:ac:11:00:02 "}) {
    EXPECT_FALSE(MacAddress::try_parse(text)) << text;
  }
  try {
    MacAddress::parse("nonsense");
    FAIL() << "nonsense was accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "invalid MAC address \"nonsense\"");
  }
}

TEST(MacAddressTest, GroupAddressesAreTold) {
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01").is_multicast());
  EXPECT_FALSE(MacAddress::parse("02:00:5e:00:00:01").is_multicast());
  EXPECT_TRUE(MacAddress().is_zero());
}

}  // namespace
}  // namespace berth::net
