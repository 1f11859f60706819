#include "net/mac.h"

#include <cstring>
#include <stdexcept>

namespace berth::net {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

std::optional<uint8_t> digit(char c) {
  const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto value = kDigits.find(lower);
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(value);
}

/// How many hexadecimal digits stand between two separators; 0: not the text of a hardware address.
size_t group_length(std::string_view text) {
  if (text.size() == 17 && (text[2] == ':' || text[2] == '-')) return 2;
  if (text.size() == 14 && text[4] == '.') return 4;
  return 0;
}

}  // namespace

MacAddress MacAddress::from_bytes(const void* bytes) {
  MacAddress mac;
  std::memcpy(mac.bytes_.data(), bytes, size());
  return mac;
}

std::optional<MacAddress> MacAddress::try_parse(std::string_view text) {
  const size_t group = group_length(text);
  if (group == 0) return std::nullopt;
  const char separator = text[group];
  MacAddress mac;
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i % (group + 1) == group) {
      if (text[i] != separator) return std::nullopt;
      continue;
    }
    const auto value = digit(text[i]);
    if (!value) return std::nullopt;
    auto& byte = mac.bytes_[digits++ / 2];
    byte = static_cast<uint8_t>(byte << 4 | *value);
  }
  return mac;
}

MacAddress MacAddress::parse(std::string_view text) {
  if (const auto mac = try_parse(text)) return *mac;
  throw std::invalid_argument("invalid MAC address \"" + std::string(text) + "\"");
}

std::string MacAddress::to_string() const {
  std::string text;
  for (const uint8_t byte : bytes_) {
    if (!text.empty()) text += ':';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace berth::net
