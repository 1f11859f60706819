#include "net/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace berth::net {

namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/// Clears (or sets) every bit behind the first `prefix` ones.
void fill_host_bits(uint8_t* bytes, size_t size, unsigned prefix, bool ones) {
  for (size_t i = 0; i < size; ++i) {
    const unsigned kept = std::min(8U, prefix - std::min(prefix, static_cast<unsigned>(8 * i)));
    const auto host_mask = static_cast<uint8_t>(0xff >> kept);
    bytes[i] = static_cast<uint8_t>(ones ? bytes[i] | host_mask : bytes[i] & ~host_mask);
  }
}

}  // namespace

std::optional<IpAddress> IpAddress::try_parse(std::string_view text) {
  const std::string copy(text);
  if (copy.size() != std::strlen(copy.c_str())) return std::nullopt;
  std::array<uint8_t, 16> raw{};
  if (::inet_pton(AF_INET, copy.c_str(), raw.data()) == 1) return from_bytes(Family::kIpv4, raw.data());
  if (::inet_pton(AF_INET6, copy.c_str(), raw.data()) == 1) return from_bytes(Family::kIpv6, raw.data());
  return std::nullopt;
}

IpAddress IpAddress::parse(std::string_view text) {
  if (auto address = try_parse(text)) return *address;
  throw std::invalid_argument("invalid IP address \"" + std::string(text) + "\"");
}

IpAddress IpAddress::from_bytes(Family family, const void* bytes) {
  IpAddress address;
  const auto* raw = static_cast<const uint8_t*>(bytes);
  address.family_ = family;
  if (family == Family::kIpv6 && std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), raw)) {
    address.family_ = Family::kIpv4;
    raw += kMappedPrefix.size();
  }
  std::memcpy(address.bytes_.data(), raw, address.size());
  return address;
}

IpAddress IpAddress::any(Family family) {
  IpAddress address;
  address.family_ = family;
  return address;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_multicast() const {
  return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

bool IpAddress::is_link_local_unicast() const {
  return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

int IpAddress::address_family() const {
  return is_v4() ? AF_INET : AF_INET6;
}

IpAddress IpAddress::next() const {
  IpAddress result = *this;
  for (size_t i = size(); i-- > 0;) {
    if (++result.bytes_[i] != 0) break;
  }
  return result;
}

IpAddress IpAddress::previous() const {
  IpAddress result = *this;
  for (size_t i = size(); i-- > 0;) {
    if (result.bytes_[i]-- != 0) break;
  }
  return result;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(address_family(), bytes_.data(), text.data(), text.size());
  return text.data();
}

IpNet IpNet::parse(std::string_view text) {
  const auto invalid = [&] { return std::invalid_argument("invalid CIDR address: " + std::string(text)); };
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) throw invalid();
  const auto address = IpAddress::try_parse(text.substr(0, slash));
  const auto digits = text.substr(slash + 1);
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  const bool malformed =
      error != std::errc() || end != digits.data() + digits.size() || (digits.size() > 1 && digits[0] == '0');
  if (!address || malformed || prefix > address->bits()) throw invalid();
  return {*address, prefix};
}

IpNet IpNet::network() const {
  std::array<uint8_t, 16> raw{};
  std::memcpy(raw.data(), address.bytes(), address.size());
  fill_host_bits(raw.data(), address.size(), prefix, false);
  return {IpAddress::from_bytes(address.family(), raw.data()), prefix};
}

IpAddress IpNet::last() const {
  std::array<uint8_t, 16> raw{};
  std::memcpy(raw.data(), address.bytes(), address.size());
  fill_host_bits(raw.data(), address.size(), prefix, true);
  return IpAddress::from_bytes(address.family(), raw.data());
}

bool IpNet::contains(const IpAddress& other) const {
  return other.family() == address.family() && IpNet{other, prefix}.network().address == network().address;
}

bool IpNet::overlaps(const IpNet& other) const {
  return contains(other.network().address) || other.contains(network().address);
}

std::string IpNet::to_string() const {
  return address.to_string() + "/" + std::to_string(prefix);
}

}  // namespace berth::net
