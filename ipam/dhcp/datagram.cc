#include "datagram.h"

#include <stdexcept>

#include "bytes.h"

namespace berth::dhcp {

namespace {

constexpr size_t kIpHeader = 20;
constexpr size_t kUdpHeader = 8;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kTimeToLive = 64;
constexpr unsigned kFragmentMask = 0x3fff;  // the offset, and "more fragments"

/// The ones' complement sum of RFC 1071, not yet complemented.
uint32_t sum(std::string_view bytes, uint32_t start = 0) {
  uint64_t total = start;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    total += i % 2 == 0 ? static_cast<unsigned>(byte) << 8 : byte;
  }
  while (total > 0xffff) total = (total >> 16) + (total & 0xffff);
  return static_cast<uint32_t>(total);
}

uint16_t complement(uint32_t total) {
  return static_cast<uint16_t>(~total & 0xffff);
}

/// UDP's checksum also covers the addresses (RFC 768).
uint32_t sum_of_pseudo_header(const net::IpAddress& source, const net::IpAddress& destination, size_t length) {
  std::string header;
  put_address(header, source);
  put_address(header, destination);
  put_u16(header, kUdp);
  put_u16(header, static_cast<unsigned>(length));
  return sum(header);
}

void put_checksum(std::string& bytes, size_t offset, uint16_t checksum) {
  bytes[offset] = static_cast<char>(checksum >> 8);
  bytes[offset + 1] = static_cast<char>(checksum & 0xff);
}

std::string udp_part(const Datagram& datagram) {
  std::string udp;
  const size_t length = kUdpHeader + datagram.payload.size();
  put_u16(udp, kClientPort);
  put_u16(udp, kServerPort);
  put_u16(udp, static_cast<unsigned>(length));
  put_u16(udp, 0);
  udp += datagram.payload;
  const auto checksum = complement(sum(udp, sum_of_pseudo_header(datagram.source, datagram.destination, length)));
  put_checksum(udp, 6, checksum == 0 ? 0xffff : checksum);  // 0 would mean "none"
  return udp;
}

/// The payload of a datagram for the client's port. Throws std::invalid_argument for any other.
std::string read_udp(std::string_view udp, const Datagram& ip, bool verify) {
  Reader reader(udp);
  reader.u16();
  if (reader.u16() != kClientPort) throw std::invalid_argument("it is for another port");
  const size_t length = reader.u16();
  const uint16_t checksum = reader.u16();
  if (length < kUdpHeader || length > udp.size()) throw std::invalid_argument("its length is wrong");
  const auto covered = udp.substr(0, length);
  if (verify && checksum != 0 && sum(covered, sum_of_pseudo_header(ip.source, ip.destination, length)) != 0xffff) {
    throw std::invalid_argument("its checksum is wrong");
  }
  return std::string(covered.substr(kUdpHeader));
}

Datagram read_packet(std::string_view packet, bool verify_payload) {
  Reader reader(packet);
  const uint8_t version_and_length = reader.u8();
  const size_t header = static_cast<size_t>(version_and_length & 0xf) * 4;
  if (version_and_length >> 4 != 4 || header < kIpHeader) throw std::invalid_argument("it is not IPv4");
  reader.u8();  // type of service
  const size_t length = reader.u16();
  if (length < header || length > packet.size()) throw std::invalid_argument("its length is wrong");
  reader.u16();  // identification
  if ((reader.u16() & kFragmentMask) != 0) throw std::invalid_argument("it is a fragment");
  reader.u8();  // time to live
  if (reader.u8() != kUdp) throw std::invalid_argument("it is not UDP");
  reader.u16();
  if (sum(packet.substr(0, header)) != 0xffff) throw std::invalid_argument("its header's checksum is wrong");
  Datagram datagram;
  datagram.source = reader.address();
  datagram.destination = reader.address();
  datagram.payload = read_udp(packet.substr(header, length - header), datagram, verify_payload);
  return datagram;
}

}  // namespace

std::string Datagram::encode() const {
  const auto udp = udp_part(*this);
  std::string packet;
  put_u8(packet, 0x45);  // version 4, five words
  put_u8(packet, 0x10);  // low delay, as DHCP clients set it
  put_u16(packet, static_cast<unsigned>(kIpHeader + udp.size()));
  put_u16(packet, 0);
  put_u16(packet, 0);
  put_u8(packet, kTimeToLive);
  put_u8(packet, kUdp);
  put_u16(packet, 0);
  put_address(packet, source);
  put_address(packet, destination);
  put_checksum(packet, 10, complement(sum(packet)));
  return packet + udp;
}

std::optional<Datagram> Datagram::decode(std::string_view packet, bool verify_payload) {
  try {
    return read_packet(packet, verify_payload);
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

}  // namespace berth::dhcp
