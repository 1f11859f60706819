#include "options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "bytes.h"

namespace berth::dhcp {

namespace {

constexpr size_t kLongestName = 253;
constexpr size_t kLongestLabel = 63;
constexpr unsigned kPointer = 0xc0;

/// What `read` makes of an option's bytes; the empty value if the option is absent or malformed.
template <class Read>
auto read_option(const Options& options, uint8_t code, Read&& read) -> decltype(read(std::declval<Reader&>())) {
  const auto option = options.find(code);
  if (option == options.end()) return {};
  try {
    Reader reader(option->second);
    auto value = read(reader);
    if (reader.empty()) return value;
  } catch (const std::invalid_argument&) {
    // By contract the same as absent.
  }
  return {};
}

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || name[0] == '.' || name.find("..") != name.npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

/// The name that starts at `offset`; `offset` is moved behind it. Pointers lead backwards only, so that it ends.
std::string read_name(std::string_view bytes, size_t& offset) {
  std::string name;
  size_t at = offset;
  size_t limit = bytes.size();
  bool jumped = false;
  for (;;) {
    const auto length = static_cast<unsigned char>(Reader(bytes.substr(at, limit - at)).take(1)[0]);
    if ((length & kPointer) == kPointer) {
      const size_t target = Reader(bytes.substr(at)).u16() & 0x3fffU;
      if (target >= at) throw std::invalid_argument("a pointer leads forward");
      if (!std::exchange(jumped, true)) offset = at + 2;
      limit = at;
      at = target;
      continue;
    }
    if (length > kLongestLabel) throw std::invalid_argument("a label is too long");
    ++at;
    if (length == 0) break;
    if (!name.empty()) name += '.';
    name += Reader(bytes.substr(at, limit - at)).take(length);
    if (name.size() > kLongestName) throw std::invalid_argument("a name is too long");
    at += length;
  }
  if (!jumped) offset = at;
  return name;
}

unsigned class_prefix(const net::IpAddress& address) {
  const uint8_t first = address.bytes()[0];
  return first < 128 ? 8 : first < 192 ? 16 : 24;
}

}  // namespace

std::vector<net::IpAddress> addresses_in(const Options& options, uint8_t code) {
  return read_option(options, code, [](Reader& reader) {
    std::vector<net::IpAddress> addresses;
    while (!reader.empty()) addresses.push_back(reader.address());
    return addresses;
  });
}

std::optional<net::IpAddress> address_in(const Options& options, uint8_t code) {
  const auto addresses = addresses_in(options, code);
  return addresses.empty() ? std::nullopt : std::optional(addresses.front());
}

std::optional<uint16_t> u16_in(const Options& options, uint8_t code) {
  return read_option(options, code, [](Reader& reader) { return std::optional(reader.u16()); });
}

std::optional<uint32_t> u32_in(const Options& options, uint8_t code) {
  return read_option(options, code, [](Reader& reader) { return std::optional(reader.u32()); });
}

std::optional<unsigned> prefix_in(const Options& options) {
  const auto mask = u32_in(options, kSubnetMask);
  if (!mask) return std::nullopt;
  const uint32_t hosts = ~*mask;
  if ((hosts & (hosts + 1)) != 0) return std::nullopt;
  unsigned prefix = 0;
  while (prefix < 32 && (*mask >> (31 - prefix) & 1) != 0) ++prefix;
  return prefix;
}

std::vector<ServerRoute> classless_routes_in(const Options& options) {
  return read_option(options, kClasslessRoutes, [](Reader& reader) {
    std::vector<ServerRoute> routes;
    while (!reader.empty()) {
      const unsigned prefix = reader.u8();
      if (prefix > 32) throw std::invalid_argument("a prefix is longer than 32 bits");
      std::array<char, 4> destination{};
      const auto significant = reader.take((prefix + 7) / 8);
      std::copy(significant.begin(), significant.end(), destination.begin());
      const net::IpNet dst{net::IpAddress::from_bytes(net::Family::kIpv4, destination.data()), prefix};
      routes.push_back({dst.network(), reader.address()});
    }
    return routes;
  });
}

std::vector<ServerRoute> static_routes_in(const Options& options) {
  return read_option(options, kStaticRoutes, [](Reader& reader) {
    std::vector<ServerRoute> routes;
    while (!reader.empty()) {
      const auto destination = reader.address();
      const auto gateway = reader.address();
      if (destination.is_unspecified()) continue;  // RFC 2132: the default route is option 3's
      routes.push_back({net::IpNet{destination, class_prefix(destination)}.network(), gateway});
    }
    return routes;
  });
}

std::string domain_in(const Options& options) {
  const auto option = options.find(kDomainName);
  if (option == options.end()) return "";
  std::string name = option->second;
  while (!name.empty() && (name.back() == '\0' || name.back() == '.')) name.pop_back();
  return is_name(name) ? name : "";
}

std::vector<std::string> search_domains_in(const Options& options) {
  const auto option = options.find(kDomainSearch);
  std::vector<std::string> names;
  if (option == options.end()) return names;
  try {
    for (size_t offset = 0; offset < option->second.size();) {
      const auto name = read_name(option->second, offset);
      if (is_name(name)) names.push_back(name);
    }
  } catch (const std::invalid_argument&) {
    names.clear();
  }
  return names;
}

std::optional<uint8_t> option_code(std::string_view text) {
  static constexpr std::pair<std::string_view, Option> kNames[] = {
      {"dhcp-client-identifier", kClientIdentifier},
      {"subnet-mask", kSubnetMask},
      {"routers", kRouters},
      {"host-name", kHostName},
      {"user-class", kUserClass},
      {"vendor-class-identifier", kVendorClass},
  };
  for (const auto& [name, code] : kNames) {
    if (text == name) return code;
  }
  uint8_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace berth::dhcp
