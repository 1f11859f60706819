#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firewall/firewall.h"

/// What publishing means, whatever rules it becomes.
namespace berth::firewall {

/// The protocol number of "tcp", "udp" or "sctp". Throws std::invalid_argument for another.
uint8_t protocol_number(const std::string& protocol);
/// The name of a protocol number; "" for any but the three.
std::string protocol_name(uint8_t number);

/// Whether the mapping sends anything to a container of this family.
bool concerns(const PortMapping& port, net::Family family);
/// The host address it is limited to; nullopt: every local one.
std::optional<net::IpAddress> limited_to(const PortMapping& port);

/// The families in which there is anything to publish.
std::vector<net::Family> families_of(const Publication& publication);
/// The container's address in a family that has one.
const net::IpNet& container_address(const Publication& publication, net::Family family);

/// Whether the match tokens of conditionsV4 or conditionsV6 are written for iptables (the first begins with '-' or
/// '!'), not for nft.
bool is_iptables_syntax(const std::vector<std::string>& tokens);

/// `port 8080/tcp is already published by container "ID" of network "NET"`
std::string describe(const Conflict& conflict);

}  // namespace berth::firewall
