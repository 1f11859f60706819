#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firewall/iptables/rule.h"

/// The matches and targets our rules are made of, in the revisions that iptables 1.8 uses.
namespace berth::firewall::iptables {

template <class Parameters>
Extension make_extension(const char* name, uint8_t revision, const Parameters& parameters) {
  constexpr size_t kAlignment = alignof(uint64_t);
  Extension extension{name, revision, {}};
  extension.data.resize((sizeof parameters + kAlignment - 1) / kAlignment * kAlignment);
  __builtin_memcpy(extension.data.data(), &parameters, sizeof parameters);
  return extension;
}

/// -m comment --comment TEXT. xt_comment holds 255 bytes; a longer text is cut and ends in "...".
Extension comment(const std::string& text);
/// The text of the rule's first comment, or "".
std::string comment_of(const Rule& rule);

/// -p PROTOCOL --dport PORT; `protocol` is IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.
Extension destination_port(uint8_t protocol, uint16_t port);
/// The port of such a match in the rule.
std::optional<uint16_t> destination_port_of(const Rule& rule);

/// As many as one multiport match can hold.
inline constexpr size_t kMultiportLimit = 15;
/// -m multiport --destination-ports A,B,…
Extension destination_ports(const std::vector<uint16_t>& ports);
/// The ports of such a match in the rule, ranges spelt out.
std::vector<uint16_t> destination_ports_of(const Rule& rule);

/// -m addrtype --dst-type LOCAL
Extension local_destination();
/// -m mark [!] --mark VALUE/MASK
Extension packet_mark(uint32_t value, uint32_t mask, bool inverted = false);

/// -m conntrack --ctstate RELATED,ESTABLISHED
Extension related_or_established();

/// -j MARK --set-xmark VALUE/MASK
Extension set_mark(uint32_t value, uint32_t mask);
/// -j MASQUERADE
Extension masquerade_target(net::Family family);
/// -j DNAT --to-destination ADDRESS:PORT
Extension dnat(const net::IpAddress& address, uint16_t port);
/// The address of such a target; nullopt if it is another.
std::optional<net::IpAddress> dnat_address(net::Family family, const Extension& target);

}  // namespace berth::firewall::iptables
