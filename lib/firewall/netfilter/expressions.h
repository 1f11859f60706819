#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "firewall/netfilter/tables.h"
#include "net/connection.h"

/// The expressions that rules are made of. Each function appends one to the open NFTA_RULE_EXPRESSIONS of a message;
/// they run in their order, over registers, until one does not match.
namespace berth::firewall::netfilter::expr {

/// Registers: four of 16 bytes, or the same room as sixteen of 4 bytes (NFT_REG32_00 and so on).
inline constexpr uint32_t kRegister1 = 1;
inline constexpr uint32_t kRegister2 = 2;
inline constexpr uint32_t kWord0 = 8;

/// `key`: NFT_META_*
void load_meta(net::Message& message, uint32_t key, uint32_t destination);
/// `base`: NFT_PAYLOAD_NETWORK_HEADER or NFT_PAYLOAD_TRANSPORT_HEADER; offset and length in bytes.
void load_payload(net::Message& message, uint32_t base, uint32_t offset, uint32_t length, uint32_t destination);
/// `key`: NFT_CT_*
void load_ct(net::Message& message, uint32_t key, uint32_t destination);
/// The type of the destination address (RTN_LOCAL, …), in host byte order: `fib daddr type`.
void load_destination_type(net::Message& message, uint32_t destination);
/// reg = reg & mask
void mask(net::Message& message, uint32_t reg, const Bytes& bits);
/// `operation`: NFT_CMP_EQ or NFT_CMP_NEQ
void compare(net::Message& message, uint32_t reg, uint32_t operation, const Bytes& value);
/// Whether the set has the key (from `source` on); a map also loads the value to `destination`.
void lookup(net::Message& message, const std::string& set, uint32_t source,
            std::optional<uint32_t> destination = std::nullopt);
/// Whether the set lacks the key.
void lookup_absent(net::Message& message, const std::string& set, uint32_t source);
/// `code`: NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_JUMP or NFT_GOTO (these two with a chain).
void verdict(net::Message& message, int32_t code, const std::string& chain = "");
/// `family`: NFPROTO_IPV4 or NFPROTO_IPV6
void dnat(net::Message& message, uint32_t family, uint32_t address, uint32_t port);
void masquerade(net::Message& message);
void counter(net::Message& message);

/// The bytes of a number in host byte order, as meta and ct keys have them.
Bytes number(uint32_t value);

}  // namespace berth::firewall::netfilter::expr
