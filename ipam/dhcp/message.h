#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "net/ip.h"
#include "net/mac.h"

namespace berth::dhcp {

/// Option codes that the client itself uses (RFC 2132, 3397, 3442).
enum Option : uint8_t {
  kPad = 0,
  kSubnetMask = 1,
  kRouters = 3,
  kNameServers = 6,
  kHostName = 12,
  kDomainName = 15,
  kInterfaceMtu = 26,
  kStaticRoutes = 33,
  kNtpServers = 42,
  kRequestedAddress = 50,
  kLeaseTime = 51,
  kOverload = 52,
  kMessageType = 53,
  kServerIdentifier = 54,
  kParameterRequestList = 55,
  kErrorMessage = 56,
  kMaximumMessageSize = 57,
  kRenewalTime = 58,
  kRebindingTime = 59,
  kVendorClass = 60,
  kClientIdentifier = 61,
  kUserClass = 77,
  kDomainSearch = 119,
  kClasslessRoutes = 121,
  kEnd = 255,
};

/// Option 53 (RFC 2132, 9.6).
enum class MessageType : uint8_t {
  kDiscover = 1,
  kOffer = 2,
  kRequest = 3,
  kDecline = 4,
  kAck = 5,
  kNak = 6,
  kRelease = 7,
  kInform = 8,
};

/// Options by code, their bytes as on the wire. An option that came in several parts is joined (RFC 3396).
using Options = std::map<uint8_t, std::string>;

/// A DHCP message over Ethernet (RFC 2131, section 2): what a client writes and reads of it.
struct Message {
  bool is_reply = false;  ///< op: BOOTREPLY
  uint32_t xid = 0;
  uint16_t secs = 0;       ///< Since the client began.
  bool broadcast = false;  ///< The server shall answer by broadcast.
  net::IpAddress ciaddr;   ///< The client's address, if it can answer ARP for it.
  net::IpAddress yiaddr;   ///< "Your" address.
  net::MacAddress chaddr;
  Options options;

  /// nullopt if option 53 is missing or is none that RFC 2131 has.
  std::optional<MessageType> type() const;
  void set_type(MessageType type);

  /// The payload of a UDP datagram; an option of more than 255 bytes goes in parts. At least 300 bytes, which relays
  /// of BOOTP's time ask for.
  std::string encode() const;

  /// Throws std::invalid_argument that says what is wrong with the bytes. Options in `sname` and `file` are read where
  /// option 52 says so.
  static Message decode(std::string_view bytes);
};

}  // namespace berth::dhcp
