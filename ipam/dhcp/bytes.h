#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "net/ip.h"

/// Numbers and addresses in network byte order, read and written without ever leaving the buffer.
namespace berth::dhcp {

inline void put_u8(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value & 0xff));
}
inline void put_u16(std::string& out, unsigned value) {
  put_u8(out, value >> 8);
  put_u8(out, value);
}
inline void put_u32(std::string& out, uint32_t value) {
  put_u16(out, value >> 16);
  put_u16(out, value);
}
inline void put_address(std::string& out, const net::IpAddress& address) {
  out.append(reinterpret_cast<const char*>(address.bytes()), address.size());
}

/// Reads from the front of a buffer; std::invalid_argument where it is too short.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  size_t left() const { return bytes_.size(); }

  std::string_view take(size_t count) {
    if (count > bytes_.size()) throw std::invalid_argument("it is too short");
    const auto taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  uint8_t u8() { return static_cast<uint8_t>(take(1)[0]); }
  uint16_t u16() {
    const unsigned high = u8();
    return static_cast<uint16_t>(high << 8 | u8());
  }
  uint32_t u32() {
    const uint32_t high = u16();
    return high << 16 | u16();
  }
  net::IpAddress address() { return net::IpAddress::from_bytes(net::Family::kIpv4, take(4).data()); }

 private:
  std::string_view bytes_;
};

}  // namespace berth::dhcp
