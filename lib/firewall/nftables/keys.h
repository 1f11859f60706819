#pragma once

#include <cstdint>
#include <optional>

#include "firewall/firewall.h"
#include "firewall/netfilter/change.h"
#include "net/ip.h"

/// Keys and values of our sets and maps as bytes: every part in network byte order and padded to 4 bytes.
namespace berth::firewall::nftables {

using netfilter::Bytes;

/// inet_proto . inet_service
Bytes port_key(uint8_t protocol, uint16_t port);
/// address . inet_proto . inet_service
Bytes port_key(const net::IpAddress& address, uint8_t protocol, uint16_t port);
/// address
Bytes address_key(const net::IpAddress& address);
/// network address . address
Bytes pair_key(const net::IpAddress& network, const net::IpAddress& address);
/// address . inet_service: where a published port leads
Bytes target_value(const net::IpAddress& address, uint16_t port);

/// A published port as its key says it, without `container_port`; `host_ip` is 0.0.0.0 or :: where the key has no
/// address. nullopt for a key of another length.
std::optional<PortMapping> mapping_of(const Bytes& key, net::Family family);

netfilter::SetShape port_map(net::Family family);
netfilter::SetShape port_by_address_map(net::Family family);
netfilter::SetShape address_set(net::Family family);
netfilter::SetShape pair_set(net::Family family);

/// The bytes of a prefix's mask.
Bytes mask_of(net::Family family, unsigned prefix);

}  // namespace berth::firewall::nftables
