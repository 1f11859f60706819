// Bytes of D-Bus messages, without a bus.

#include <gmock/gmock.h>

#include <algorithm>

#include "firewall/firewalld/dbus_message.h"

namespace berth::firewall::firewalld {
namespace {

using ::testing::HasSubstr;

/// Numbers in this machine's byte order, everything else as it is.
class Bytes {
 public:
  Bytes& text(const std::string& text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  Bytes& byte(uint8_t value) {
    bytes_.push_back(value);
    return *this;
  }
  Bytes& number(uint32_t value) {
    const auto* at = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), at, at + sizeof value);
    return *this;
  }
  Bytes& zeros(size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  std::vector<uint8_t> get() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

uint8_t byte_order() {
  const uint16_t one = 1;
  return *reinterpret_cast<const uint8_t*>(&one) == 1 ? 'l' : 'B';
}

/// An error that answers call 7, with the text "no".
std::vector<uint8_t> error_message() {
  Bytes bytes;
  bytes.byte(byte_order()).byte(3).byte(1).byte(1).number(7).number(99).number(29);
  bytes.byte(4).byte(1).text("s").zeros(1).number(3).text("a.E").zeros(1);  // to 28
  bytes.zeros(4);                                                           // to 32
  bytes.byte(5).byte(1).text("u").zeros(1).number(7);                       // to 40
  bytes.byte(8).byte(1).text("g").zeros(1).byte(1).text("s").zeros(1);      // to 47
  bytes.zeros(1);                                                           // to 48: the body
  bytes.number(2).text("no").zeros(1);
  auto message = bytes.get();
  message[12] = 31;  // the fields end at 47
  return message;
}

std::string refusal(const std::vector<uint8_t>& bytes) {
  try {
    decode_message(bytes);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(DbusMessage, ACallIsWrittenAsTheSpecificationSays) {
  Bytes expected;
  expected.byte(byte_order()).byte(1).byte(0).byte(1).number(15).number(2).number(77);
  expected.byte(1).byte(1).text("o").zeros(1).number(2).text("/p").zeros(1).zeros(5);   // 16 to 32
  expected.byte(6).byte(1).text("s").zeros(1).number(3).text("a.S").zeros(1).zeros(4);  // to 48
  expected.byte(2).byte(1).text("s").zeros(1).number(3).text("a.I").zeros(1).zeros(4);  // to 64
  expected.byte(3).byte(1).text("s").zeros(1).number(7).text("doThing").zeros(1);       // to 80
  expected.byte(8).byte(1).text("g").zeros(1).byte(2).text("ss").zeros(1);              // to 88
  expected.number(3).text("one").zeros(1).number(2).text("tw").zeros(1);                // 15 bytes
  auto bytes = expected.get();
  bytes[12] = 72;
  EXPECT_EQ(bytes, encode({"a.S", "/p", "a.I", "doThing", {"one", "tw"}}, 2));
  EXPECT_EQ(bytes.size(), message_size(bytes));
}

TEST(DbusMessage, AnErrorIsRead) {
  const auto bytes = error_message();
  ASSERT_EQ(bytes.size(), message_size(std::span(bytes).first(kPreambleSize)));
  const auto message = decode_message(bytes);
  EXPECT_EQ(BusMessage::Type::kError, message.type);
  EXPECT_EQ(7U, message.reply_serial);
  EXPECT_EQ("a.E", message.error_name);
  EXPECT_EQ("no", message.text());
  EXPECT_THROW(message.boolean(), std::runtime_error);
}

TEST(DbusMessage, AMessageThatIsCutShortIsRefused) {
  const auto whole = error_message();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), HasSubstr("malformed"));
  }
}

TEST(DbusMessage, WrongLengthsAreRefused) {
  const auto whole = error_message();
  for (const size_t at : {4, 12, 20, 44}) {  // of the body, the fields, a string and a signature
    for (const int value : {0xff, 0x7f}) {
      auto bytes = whole;
      bytes[at] = static_cast<uint8_t>(value);
      EXPECT_THAT(refusal(bytes), HasSubstr("malformed")) << at;
    }
  }
  auto bytes = whole;
  bytes[48] = 200;
  EXPECT_THROW(decode_message(bytes).text(), std::runtime_error);
  std::fill_n(bytes.begin() + 4, 4, uint8_t{0xff});
  EXPECT_THAT(refusal(bytes), HasSubstr("too large"));
}

}  // namespace
}  // namespace berth::firewall::firewalld
