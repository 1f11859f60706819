#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

/// The wire format of protocol buffers, as far as CRIU's messages use it: varints and length-delimited fields
/// (protobuf.dev, "Encoding").
namespace berth::runtime::criu {

/// One message to send, built field by field; a field that is added again is repeated.
class Message {
 public:
  Message& number(unsigned field, int64_t value);
  Message& flag(unsigned field, bool value) { return number(field, value ? 1 : 0); }
  Message& text(unsigned field, std::string_view value);
  Message& message(unsigned field, const Message& value) { return text(field, value.bytes_); }

  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value);

  std::string bytes_;
};

/// One message that was received. Of a repeated field the last value counts; unknown fields do no harm.
class Fields {
 public:
  /// Throws std::runtime_error if this is no message.
  static Fields parse(std::string_view bytes);

  std::optional<int64_t> number(unsigned field) const;
  std::optional<std::string> text(unsigned field) const;
  /// A message in a message; without fields if it is absent.
  Fields message(unsigned field) const;

 private:
  std::map<unsigned, uint64_t> numbers_;
  std::map<unsigned, std::string> texts_;
};

}  // namespace berth::runtime::criu
