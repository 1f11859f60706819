#include "firewall/nftables/keys.h"

#include "firewall/ports.h"

namespace berth::firewall::nftables {

namespace {

using net::Family;
using net::IpAddress;

uint32_t address_type(Family family) {
  return family == Family::kIpv4 ? netfilter::kTypeIpv4 : netfilter::kTypeIpv6;
}

uint32_t address_size(Family family) {
  return family == Family::kIpv4 ? 4 : 16;
}

void append(Bytes& key, const IpAddress& address) {
  key.insert(key.end(), address.bytes(), address.bytes() + address.size());
}

void append_protocol(Bytes& key, uint8_t protocol) {
  key.insert(key.end(), {protocol, 0, 0, 0});
}

void append_port(Bytes& key, uint16_t port) {
  key.insert(key.end(), {static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port), 0, 0});
}

}  // namespace

Bytes port_key(uint8_t protocol, uint16_t port) {
  Bytes key;
  append_protocol(key, protocol);
  append_port(key, port);
  return key;
}

Bytes port_key(const IpAddress& address, uint8_t protocol, uint16_t port) {
  Bytes key;
  append(key, address);
  append_protocol(key, protocol);
  append_port(key, port);
  return key;
}

Bytes address_key(const IpAddress& address) {
  return {address.bytes(), address.bytes() + address.size()};
}

Bytes pair_key(const IpAddress& network, const IpAddress& address) {
  Bytes key;
  append(key, network);
  append(key, address);
  return key;
}

Bytes target_value(const IpAddress& address, uint16_t port) {
  Bytes value;
  append(value, address);
  append_port(value, port);
  return value;
}

std::optional<PortMapping> mapping_of(const Bytes& key, Family family) {
  const size_t address = address_size(family);
  const bool limited = key.size() == address + 8;
  if (!limited && key.size() != 8) return std::nullopt;
  const size_t at = limited ? address : 0;
  PortMapping port;
  port.protocol = protocol_name(key[at]);
  port.host_port = static_cast<uint16_t>((key[at + 4] << 8) | key[at + 5]);
  port.host_ip = limited ? IpAddress::from_bytes(family, key.data()) : IpAddress::any(family);
  return port;
}

netfilter::SetShape port_map(Family family) {
  using netfilter::kTypePort;
  using netfilter::kTypeProtocol;
  return {netfilter::concatenated({kTypeProtocol, kTypePort}), 8,
          netfilter::concatenated({address_type(family), kTypePort}), address_size(family) + 4};
}

netfilter::SetShape port_by_address_map(Family family) {
  using netfilter::kTypePort;
  using netfilter::kTypeProtocol;
  return {netfilter::concatenated({address_type(family), kTypeProtocol, kTypePort}), address_size(family) + 8,
          netfilter::concatenated({address_type(family), kTypePort}), address_size(family) + 4};
}

netfilter::SetShape address_set(Family family) {
  return {address_type(family), address_size(family)};
}

netfilter::SetShape pair_set(Family family) {
  return {netfilter::concatenated({address_type(family), address_type(family)}), 2 * address_size(family)};
}

Bytes mask_of(Family family, unsigned prefix) {
  Bytes mask(address_size(family));
  for (unsigned bit = 0; bit < prefix; ++bit) mask[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  return mask;
}

}  // namespace berth::firewall::nftables
