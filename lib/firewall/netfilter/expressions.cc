#include "firewall/netfilter/expressions.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <cstring>

namespace berth::firewall::netfilter::expr {

namespace {

using net::Message;

template <class Content>
void expression(Message& message, const char* name, Content&& content) {
  message.nest(NFTA_LIST_ELEM, [&] {
    message.put(NFTA_EXPR_NAME, name);
    message.nest(NFTA_EXPR_DATA, content);
  });
}

void put_value(Message& message, int attribute, const Bytes& value) {
  message.nest(attribute, [&] { message.put_bytes(NFTA_DATA_VALUE, value.data(), value.size()); });
}

}  // namespace

void load_meta(Message& message, uint32_t key, uint32_t destination) {
  expression(message, "meta", [&] {
    put_be32(message, NFTA_META_KEY, key);
    put_be32(message, NFTA_META_DREG, destination);
  });
}

void load_payload(Message& message, uint32_t base, uint32_t offset, uint32_t length, uint32_t destination) {
  expression(message, "payload", [&] {
    put_be32(message, NFTA_PAYLOAD_DREG, destination);
    put_be32(message, NFTA_PAYLOAD_BASE, base);
    put_be32(message, NFTA_PAYLOAD_OFFSET, offset);
    put_be32(message, NFTA_PAYLOAD_LEN, length);
  });
}

void load_ct(Message& message, uint32_t key, uint32_t destination) {
  expression(message, "ct", [&] {
    put_be32(message, NFTA_CT_KEY, key);
    put_be32(message, NFTA_CT_DREG, destination);
  });
}

void load_destination_type(Message& message, uint32_t destination) {
  expression(message, "fib", [&] {
    put_be32(message, NFTA_FIB_DREG, destination);
    put_be32(message, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    put_be32(message, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
  });
}

void mask(Message& message, uint32_t reg, const Bytes& bits) {
  expression(message, "bitwise", [&] {
    put_be32(message, NFTA_BITWISE_SREG, reg);
    put_be32(message, NFTA_BITWISE_DREG, reg);
    put_be32(message, NFTA_BITWISE_LEN, static_cast<uint32_t>(bits.size()));
    put_value(message, NFTA_BITWISE_MASK, bits);
    put_value(message, NFTA_BITWISE_XOR, Bytes(bits.size()));
  });
}

void compare(Message& message, uint32_t reg, uint32_t operation, const Bytes& value) {
  expression(message, "cmp", [&] {
    put_be32(message, NFTA_CMP_SREG, reg);
    put_be32(message, NFTA_CMP_OP, operation);
    put_value(message, NFTA_CMP_DATA, value);
  });
}

void lookup(Message& message, const std::string& set, uint32_t source, std::optional<uint32_t> destination) {
  expression(message, "lookup", [&] {
    message.put(NFTA_LOOKUP_SET, set);
    put_be32(message, NFTA_LOOKUP_SREG, source);
    if (destination) put_be32(message, NFTA_LOOKUP_DREG, *destination);
  });
}

void lookup_absent(Message& message, const std::string& set, uint32_t source) {
  expression(message, "lookup", [&] {
    message.put(NFTA_LOOKUP_SET, set);
    put_be32(message, NFTA_LOOKUP_SREG, source);
    put_be32(message, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  });
}

void verdict(Message& message, int32_t code, const std::string& chain) {
  expression(message, "immediate", [&] {
    put_be32(message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    message.nest(NFTA_IMMEDIATE_DATA, [&] {
      message.nest(NFTA_DATA_VERDICT, [&] {
        put_be32(message, NFTA_VERDICT_CODE, static_cast<uint32_t>(code));
        if (!chain.empty()) message.put(NFTA_VERDICT_CHAIN, chain);
      });
    });
  });
}

void dnat(Message& message, uint32_t family, uint32_t address, uint32_t port) {
  expression(message, "nat", [&] {
    put_be32(message, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    put_be32(message, NFTA_NAT_FAMILY, family);
    put_be32(message, NFTA_NAT_REG_ADDR_MIN, address);
    put_be32(message, NFTA_NAT_REG_PROTO_MIN, port);
  });
}

void masquerade(Message& message) {
  expression(message, "masq", [] {});
}

void counter(Message& message) {
  expression(message, "counter", [] {});
}

Bytes number(uint32_t value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

}  // namespace berth::firewall::netfilter::expr
