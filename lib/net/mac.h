#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace berth::net {

/// An Ethernet hardware address (EUI-48), all zeros unless set.
class MacAddress {
 public:
  MacAddress() = default;

  /// Six bytes in the order they have on the wire.
  static MacAddress from_bytes(const void* bytes);

  /// Text as Go's net.ParseMAC takes it for six bytes: "02:42:ac:11:00:02", "02-42-ac-11-00-02" or "0242.ac11.0002".
  /// Throws std::invalid_argument `invalid MAC address "TEXT"`.
  static MacAddress parse(std::string_view text);
  static std::optional<MacAddress> try_parse(std::string_view text);

  const uint8_t* bytes() const { return bytes_.data(); }
  static constexpr size_t size() { return 6; }
  bool is_zero() const { return *this == MacAddress(); }
  /// Group addresses cannot be given to an interface.
  bool is_multicast() const { return (bytes_[0] & 1) != 0; }

  /// "02:42:ac:11:00:02"
  std::string to_string() const;

  auto operator<=>(const MacAddress&) const = default;

 private:
  std::array<uint8_t, 6> bytes_{};
};

}  // namespace berth::net
