#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace berth::net {

enum class Family : uint8_t { kIpv4, kIpv6 };

/// An IPv4 or IPv6 address. IPv4 sorts before IPv6; within a family the order is numeric.
class IpAddress {
 public:
  /// 0.0.0.0
  IpAddress() = default;

  /// Text as Go's net.ParseIP takes it: no leading zeros in IPv4 octets, no zone. IPv4-mapped IPv6 text is IPv4.
  /// Throws std::invalid_argument `invalid IP address "TEXT"`.
  static IpAddress parse(std::string_view text);
  static std::optional<IpAddress> try_parse(std::string_view text);

  /// From network byte order: 4 or 16 bytes.
  static IpAddress from_bytes(Family family, const void* bytes);

  /// The unspecified address: 0.0.0.0 or ::.
  static IpAddress any(Family family);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::kIpv4; }
  bool is_v6() const { return family_ == Family::kIpv6; }
  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_multicast() const;
  bool is_link_local_unicast() const;

  /// Network byte order; size() of them count.
  const uint8_t* bytes() const { return bytes_.data(); }
  size_t size() const { return is_v4() ? 4 : 16; }
  /// 32 or 128.
  unsigned bits() const { return is_v4() ? 32 : 128; }
  /// AF_INET or AF_INET6.
  int address_family() const;

  /// The numeric neighbours; they wrap around at the ends of the family.
  IpAddress next() const;
  IpAddress previous() const;

  /// RFC 5952 text, or dotted IPv4.
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::kIpv4;
  std::array<uint8_t, 16> bytes_{};
};

/// An address with a prefix length; host bits are kept ("10.1.0.2/24" is an address with a mask).
struct IpNet {
  IpAddress address;
  unsigned prefix = 0;

  /// "ADDRESS/PREFIX" as Go's net.ParseCIDR takes it. Throws std::invalid_argument `invalid CIDR address: TEXT`.
  static IpNet parse(std::string_view text);
  /// An address alone: prefix 32 or 128.
  static IpNet host(const IpAddress& address) { return {address, address.bits()}; }

  bool is_v4() const { return address.is_v4(); }
  /// The same prefix with all host bits zero (or one).
  IpNet network() const;
  IpAddress last() const;
  bool contains(const IpAddress& other) const;
  bool overlaps(const IpNet& other) const;
  std::string to_string() const;

  auto operator<=>(const IpNet&) const = default;
};

}  // namespace berth::net
