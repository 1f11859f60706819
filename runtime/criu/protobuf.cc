#include "criu/protobuf.h"

#include <stdexcept>

namespace berth::runtime::criu {

namespace {

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

/// Takes values from the front of a message.
class Scanner {
 public:
  explicit Scanner(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    throw malformed();
  }

  std::string_view take(uint64_t size) {
    if (size > rest_.size()) throw malformed();
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  static std::runtime_error malformed() { return std::runtime_error("malformed protocol buffer message"); }

 private:
  std::string_view rest_;
};

}  // namespace

void Message::varint(uint64_t value) {
  while (value >= 0x80U) {
    bytes_.push_back(static_cast<char>((value & 0x7FU) | 0x80U));
    value >>= 7U;
  }
  bytes_.push_back(static_cast<char>(value));
}

Message& Message::number(unsigned field, int64_t value) {
  varint(field << 3U | kVarint);
  varint(static_cast<uint64_t>(value));
  return *this;
}

Message& Message::text(unsigned field, std::string_view value) {
  varint(field << 3U | kLengthDelimited);
  varint(value.size());
  bytes_.append(value);
  return *this;
}

Fields Fields::parse(std::string_view bytes) {
  Fields fields;
  Scanner scanner(bytes);
  while (!scanner.at_end()) {
    const uint64_t key = scanner.varint();
    const auto field = static_cast<unsigned>(key >> 3U);
    switch (key & 7U) {
      case kVarint:
        fields.numbers_[field] = scanner.varint();
        break;
      case kLengthDelimited:
        fields.texts_[field] = std::string(scanner.take(scanner.varint()));
        break;
      case kFixed64:
        scanner.take(8);
        break;
      case kFixed32:
        scanner.take(4);
        break;
      default:
        throw Scanner::malformed();
    }
  }
  return fields;
}

std::optional<int64_t> Fields::number(unsigned field) const {
  const auto found = numbers_.find(field);
  return found == numbers_.end() ? std::nullopt : std::optional(static_cast<int64_t>(found->second));
}

std::optional<std::string> Fields::text(unsigned field) const {
  const auto found = texts_.find(field);
  return found == texts_.end() ? std::nullopt : std::optional(found->second);
}

Fields Fields::message(unsigned field) const {
  return parse(text(field).value_or(""));
}

}  // namespace berth::runtime::criu
