#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message.h"
#include "net/ip.h"

/// The values of options, read from what a server sent. An option that is absent or malformed has no value: a server's
/// mistake in one option does not cost the lease.
namespace berth::dhcp {

/// A route a server gives to its clients.
struct ServerRoute {
  net::IpNet dst;          ///< Without host bits.
  net::IpAddress gateway;  ///< 0.0.0.0: the destination is on the link.

  bool operator==(const ServerRoute&) const = default;
};

/// A list of IPv4 addresses (RFC 2132: options 3, 6, 42, 54 and others).
std::vector<net::IpAddress> addresses_in(const Options& options, uint8_t code);
std::optional<net::IpAddress> address_in(const Options& options, uint8_t code);
std::optional<uint16_t> u16_in(const Options& options, uint8_t code);
std::optional<uint32_t> u32_in(const Options& options, uint8_t code);

/// Option 1 as a prefix length; nullopt if its ones are not together.
std::optional<unsigned> prefix_in(const Options& options);

/// Option 121 (RFC 3442).
std::vector<ServerRoute> classless_routes_in(const Options& options);
/// Option 33 (RFC 2132, 5.8): the destinations have the masks of their classes.
std::vector<ServerRoute> static_routes_in(const Options& options);

/// Option 15. Only what is a domain name: the text ends up in a resolv.conf.
std::string domain_in(const Options& options);
/// Option 119 (RFC 3397): names with DNS compression. Names that are none are left out.
std::vector<std::string> search_domains_in(const Options& options);

/// The code of an option as configurations write it: a number of 0 to 255, or one of the names
/// dhcp-client-identifier, subnet-mask, routers, host-name, user-class, vendor-class-identifier.
std::optional<uint8_t> option_code(std::string_view text);

}  // namespace berth::dhcp
