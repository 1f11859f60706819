#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/ip.h"

namespace berth::dhcp {

constexpr uint16_t kServerPort = 67;
constexpr uint16_t kClientPort = 68;

/// A UDP datagram in an IPv4 packet (RFC 791, RFC 768), for sockets below IP: a client without an address has no other.
struct Datagram {
  net::IpAddress source;
  net::IpAddress destination;
  std::string payload;

  /// The packet, from the client's port to the server's, with both checksums.
  std::string encode() const;

  /// nullopt unless the bytes are a whole IPv4 packet, no fragment, with a UDP datagram for the client's port and good
  /// checksums. `verify_payload` false: the UDP checksum is not there yet (a packet that never left this machine).
  static std::optional<Datagram> decode(std::string_view packet, bool verify_payload);
};

}  // namespace berth::dhcp
