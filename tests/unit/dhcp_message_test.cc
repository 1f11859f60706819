// DHCP messages and the packets they travel in: what is written, what is read, and that nothing malformed gets through.
#include <gmock/gmock.h>

#include "ipam/dhcp/datagram.h"
#include "ipam/dhcp/message.h"

namespace berth::dhcp {
namespace {

using net::IpAddress;
using ::testing::HasSubstr;

constexpr size_t kFixedPart = 240;  // with the magic cookie
constexpr size_t kServerNameAt = 44;
constexpr size_t kFileAt = 108;

Message example() {
  Message message;
  message.is_reply = true;
  message.xid = 0x12345678;
  message.secs = 7;
  message.broadcast = true;
  message.ciaddr = IpAddress::parse("10.1.0.2");
  message.yiaddr = IpAddress::parse("10.1.0.3");
  message.chaddr = net::MacAddress::parse("02:00:00:00:00:09");
  message.set_type(MessageType::kOffer);
  message.options[kHostName] = "web";
  return message;
}

std::string error_of(std::string_view bytes) {
  try {
    Message::decode(bytes);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(DhcpMessageTest, WhatIsWrittenIsRead) {
  const auto written = example();
  const auto read = Message::decode(written.encode());
  EXPECT_TRUE(read.is_reply);
  EXPECT_EQ(read.xid, written.xid);
  EXPECT_EQ(read.secs, written.secs);
  EXPECT_TRUE(read.broadcast);
  EXPECT_EQ(read.ciaddr, written.ciaddr);
  EXPECT_EQ(read.yiaddr, written.yiaddr);
  EXPECT_EQ(read.chaddr, written.chaddr);
  EXPECT_EQ(read.options, written.options);
  EXPECT_EQ(read.type(), MessageType::kOffer);
}

TEST(DhcpMessageTest, HasTheSizeThatOldRelaysAskForAndItsTypeFirst) {
  const auto bytes = example().encode();
  EXPECT_EQ(bytes.size(), 300U);
  EXPECT_EQ(bytes.substr(kFixedPart, 3), std::string("\x35\x01\x02", 3));
}

TEST(DhcpMessageTest, LongOptionsAreSplitAndJoined) {
  auto message = example();
  message.options[kClasslessRoutes] = std::string(600, 'x');
  EXPECT_EQ(Message::decode(message.encode()).options, message.options);
}

TEST(DhcpMessageTest, EmptyOptionsSurvive) {
  auto message = example();
  message.options[80] = "";
  EXPECT_EQ(Message::decode(message.encode()).options, message.options);
}

TEST(DhcpMessageTest, OptionsInOtherFieldsAreReadWhereTheServerSaysSo) {
  auto message = example();
  message.options[kOverload] = "\x03";
  auto bytes = message.encode();
  bytes.replace(kFileAt, 5,
                std::string("\x0f\x02"
                            "de\xff",
                            5));
  bytes.replace(kServerNameAt, 6, std::string("\x0f\x03.cn\xff", 6));
  EXPECT_EQ(Message::decode(bytes).options.at(kDomainName), "de.cn");
}

TEST(DhcpMessageTest, OtherFieldsAreNotReadOtherwise) {
  auto bytes = example().encode();
  bytes.replace(kFileAt, 5,
                std::string("\x0f\x02"
                            "de\xff",
                            5));
  EXPECT_FALSE(Message::decode(bytes).options.contains(kDomainName));
}

TEST(DhcpMessageTest, EveryTruncationIsRefusedOrReadWithinItsBounds) {
  auto message = example();
  message.options[kClasslessRoutes] = std::string(300, 'x');
  const auto bytes = message.encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A heap buffer of this very size, so that a sanitizer sees any step beyond it.
    const std::string cut(bytes.data(), size);
    if (size < kFixedPart) {
      EXPECT_NE(error_of(cut), "") << size;
    } else {
      error_of(cut);
    }
  }
}

TEST(DhcpMessageTest, EveryDamagedByteIsSurvived) {
  auto message = example();
  message.options[kOverload] = "\x03";
  const auto bytes = message.encode();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char value : {'\0', '\1', '\x7f', '\xfe', '\xff'}) {
      auto damaged = bytes;
      damaged[at] = value;
      error_of(damaged);
    }
  }
}

TEST(DhcpMessageTest, AnOptionLongerThanTheMessageIsRefused) {
  auto bytes = example().encode().substr(0, kFixedPart);
  bytes += std::string(
      "\x0c\xff"
      "web",
      5);
  EXPECT_THAT(error_of(bytes), HasSubstr("too short"));
  EXPECT_THAT(error_of(example().encode().substr(0, kFixedPart) + "\x0c"), HasSubstr("too short"));
}

TEST(DhcpMessageTest, WhatIsNotDhcpOverEthernetIsRefused) {
  auto bytes = example().encode();
  bytes[0] = 3;
  EXPECT_NE(error_of(bytes), "");
  bytes = example().encode();
  bytes[2] = 16;
  EXPECT_NE(error_of(bytes), "");
  bytes = example().encode();
  bytes[kFixedPart - 1] = 0;
  EXPECT_THAT(error_of(bytes), HasSubstr("BOOTP"));
}

TEST(DhcpMessageTest, UnknownTypesAreNone) {
  auto message = example();
  message.options[kMessageType] = "\x09";
  EXPECT_EQ(message.type(), std::nullopt);
  message.options[kMessageType] = std::string(1, '\0');
  EXPECT_EQ(message.type(), std::nullopt);
  message.options[kMessageType] = "\x05\x05";
  EXPECT_EQ(message.type(), std::nullopt);
}

// --- datagrams ---------------------------------------------------------------------------------------------------

/// What a client sends, turned round so that it is for the client's port. The checksum stays good: it is a sum.
std::string answer() {
  auto packet = Datagram{IpAddress::parse("10.0.0.1"), IpAddress::parse("10.0.0.2"), "payload"}.encode();
  std::swap(packet[20], packet[22]);
  std::swap(packet[21], packet[23]);
  return packet;
}

TEST(DhcpDatagramTest, IsReadBack) {
  const auto datagram = Datagram::decode(answer(), true);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->payload, "payload");
  EXPECT_EQ(datagram->source, IpAddress::parse("10.0.0.1"));
  EXPECT_EQ(datagram->destination, IpAddress::parse("10.0.0.2"));
}

TEST(DhcpDatagramTest, PaddingBehindThePacketIsNoPayload) {
  EXPECT_EQ(Datagram::decode(answer() + std::string(18, '\0'), true)->payload, "payload");
}

TEST(DhcpDatagramTest, OtherPortsAreIgnored) {
  EXPECT_FALSE(Datagram::decode(Datagram{{}, {}, "payload"}.encode(), true));
}

TEST(DhcpDatagramTest, NoByteCanBeWrongUnnoticed) {
  const auto good = answer();
  for (size_t at = 0; at < good.size(); ++at) {
    auto damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(Datagram::decode(damaged, true)) << "byte " << at;
  }
}

TEST(DhcpDatagramTest, ChecksumsThatAreStillToBeComputedAreNotLookedAt) {
  auto packet = answer();
  packet.back() ^= 1;
  EXPECT_FALSE(Datagram::decode(packet, true));
  EXPECT_TRUE(Datagram::decode(packet, false));
}

TEST(DhcpDatagramTest, EveryTruncationIsRefused) {
  const auto good = answer();
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(Datagram::decode(good.substr(0, size), false)) << size;
}

}  // namespace
}  // namespace berth::dhcp
