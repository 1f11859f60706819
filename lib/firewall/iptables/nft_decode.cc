#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <net/if.h>
#include <netlink/attr.h>

#include <array>
#include <bit>
#include <cstring>

#include "firewall/iptables/matches.h"
#include "firewall/iptables/nft_rule.h"

namespace berth::firewall::iptables {

namespace {

using net::Family;
using netfilter::Bytes;

template <int Max>
std::array<nlattr*, Max + 1> nested(nlattr* attribute) {
  std::array<nlattr*, Max + 1> parts{};
  if (attribute != nullptr) nla_parse_nested(parts.data(), Max, attribute, nullptr);
  return parts;
}

uint32_t be32(const nlattr* attribute) {
  return attribute == nullptr ? 0 : ntohl(nla_get_u32(attribute));
}

Bytes bytes_of(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const auto* data = static_cast<const uint8_t*>(nla_data(attribute));
  return {data, data + nla_len(attribute)};
}

Bytes value_of(nlattr* attribute) {
  return bytes_of(nested<NFTA_DATA_MAX>(attribute)[NFTA_DATA_VALUE]);
}

/// Reads a rule's expressions one after the other: a load, perhaps a mask, a comparison.
class Decoder {
 public:
  explicit Decoder(Family family) : rule_(family) {}

  void read(const std::string& name, nlattr* data) {
    if (name == "meta") {
      const auto parts = nested<NFTA_META_MAX>(data);
      load_ = {Load::kMeta, be32(parts[NFTA_META_KEY]), 0, 0};
    } else if (name == "payload") {
      const auto parts = nested<NFTA_PAYLOAD_MAX>(data);
      load_ = {Load::kPayload, be32(parts[NFTA_PAYLOAD_BASE]), be32(parts[NFTA_PAYLOAD_OFFSET]),
               be32(parts[NFTA_PAYLOAD_LEN])};
    } else if (name == "bitwise") {
      const auto parts = nested<NFTA_BITWISE_MAX>(data);
      mask_ = value_of(parts[NFTA_BITWISE_MASK]);
    } else if (name == "cmp") {
      const auto parts = nested<NFTA_CMP_MAX>(data);
      compare(be32(parts[NFTA_CMP_OP]), value_of(parts[NFTA_CMP_DATA]));
      mask_.clear();
    } else if (name == "match") {
      rule_.matches.push_back(extension(data));
    } else if (name == "target") {
      rule_.target = extension(data);
    } else if (name == "immediate") {
      verdict(nested<NFTA_IMMEDIATE_MAX>(data)[NFTA_IMMEDIATE_DATA]);
    } else if (name != "counter") {
      unknown(name);
    }
  }

  Rule take() { return std::move(rule_); }

 private:
  struct Load {
    enum { kMeta, kPayload } kind;
    uint32_t what;  ///< Key of meta, base of payload.
    uint32_t offset;
    uint32_t length;
  };

  void unknown(const std::string& name) { rule_.matches.push_back({"(nf_tables) " + name, 0, {0}}); }

  static Extension extension(nlattr* data) {
    const auto parts = nested<NFTA_MATCH_MAX>(data);
    Extension extension;
    if (parts[NFTA_MATCH_NAME] != nullptr) extension.name = nla_get_string(parts[NFTA_MATCH_NAME]);
    extension.revision = static_cast<uint8_t>(be32(parts[NFTA_MATCH_REV]));
    extension.data = bytes_of(parts[NFTA_MATCH_INFO]);
    return extension;
  }

  void verdict(nlattr* data) {
    const auto parts = nested<NFTA_VERDICT_MAX>(nested<NFTA_DATA_MAX>(data)[NFTA_DATA_VERDICT]);
    const auto code = static_cast<int32_t>(be32(parts[NFTA_VERDICT_CODE]));
    if (parts[NFTA_VERDICT_CHAIN] != nullptr) {
      rule_.target.name = nla_get_string(parts[NFTA_VERDICT_CHAIN]);
    } else {
      rule_.target.name = code == NF_ACCEPT ? "ACCEPT" : code == NF_DROP ? "DROP" : "RETURN";
    }
  }

  void compare(uint32_t operation, const Bytes& value) {
    const bool inverted = operation == NFT_CMP_NEQ;
    const bool known = inverted || operation == NFT_CMP_EQ;
    if (!known || value.empty() || !(load_.kind == Load::kMeta ? meta(value, inverted) : payload(value, inverted))) {
      unknown("cmp");
    }
  }

  bool meta(const Bytes& value, bool inverted) {
    switch (load_.what) {
      case NFT_META_L4PROTO:
        return protocol(value, inverted);
      case NFT_META_IIFNAME:
        rule_.in = {interface(value), inverted};
        return true;
      case NFT_META_OIFNAME:
        rule_.out = {interface(value), inverted};
        return true;
      case NFT_META_MARK:
        rule_.matches.push_back(packet_mark(number(value), mask_.empty() ? 0xffffffff : number(mask_), inverted));
        return true;
      default:
        return false;
    }
  }

  bool protocol(const Bytes& value, bool inverted) {
    rule_.protocol = value[0];
    rule_.protocol_inverted = inverted;
    return true;
  }

  static uint32_t number(const Bytes& bytes) {
    uint32_t value = 0;
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
    return value;
  }

  static std::string interface(const Bytes& value) {
    const auto* text = reinterpret_cast<const char*>(value.data());
    const size_t size = strnlen(text, value.size());
    return std::string(text, size) + (size == value.size() && size < IFNAMSIZ ? "+" : "");
  }

  bool payload(const Bytes& value, bool inverted) {
    const bool v4 = rule_.family() == Family::kIpv4;
    if (load_.what == NFT_PAYLOAD_TRANSPORT_HEADER) {
      if (load_.offset != 2 || load_.length != 2 || inverted || !mask_.empty()) return false;
      const auto port = static_cast<uint16_t>((value[0] << 8) | value[1]);
      rule_.matches.push_back(destination_port(rule_.protocol, port));
      return true;
    }
    if (load_.what != NFT_PAYLOAD_NETWORK_HEADER) return false;
    // Since 1.8.11 iptables reads the protocol of IPv4 there.
    if (v4 && load_.offset == 9 && load_.length == 1 && mask_.empty()) return protocol(value, inverted);
    const bool source = load_.offset == (v4 ? 12U : 8U);
    if (!source && load_.offset != (v4 ? 16U : 24U)) return false;
    (source ? rule_.source : rule_.destination) = AddressMatch{prefix(value), inverted};
    return true;
  }

  /// Of an address perhaps only the leading bytes are compared.
  net::IpNet prefix(const Bytes& value) const {
    std::array<uint8_t, 16> address{};
    std::copy_n(value.begin(), std::min(value.size(), address.size()), address.begin());
    unsigned bits = static_cast<unsigned>(value.size()) * 8;
    if (!mask_.empty()) {
      bits = 0;
      for (const uint8_t byte : mask_) bits += static_cast<unsigned>(std::popcount(byte));
    }
    return {net::IpAddress::from_bytes(rule_.family(), address.data()), bits};
  }

  Rule rule_;
  Load load_{};
  Bytes mask_;
};

uint32_t mark_in(const Bytes& userdata) {
  for (size_t at = 0; at + 6 <= userdata.size(); at += 2U + userdata[at + 1]) {
    if (userdata[at] != kMarkType) continue;
    uint32_t mark = 0;
    for (size_t i = 0; i < sizeof mark; ++i) mark = (mark << 8) | userdata[at + 2 + i];
    return mark;
  }
  return 0;
}

}  // namespace

Rule decode_nft(Family family, const netfilter::ListedRule& listed) {
  Decoder decoder(family);
  Bytes expressions = listed.expressions;  // libnl's attribute functions want them writable
  auto left = static_cast<int>(expressions.size());
  for (auto* entry = reinterpret_cast<nlattr*>(expressions.data()); nla_ok(entry, left);
       entry = nla_next(entry, &left)) {
    const auto parts = nested<NFTA_EXPR_MAX>(entry);
    if (parts[NFTA_EXPR_NAME] != nullptr) decoder.read(nla_get_string(parts[NFTA_EXPR_NAME]), parts[NFTA_EXPR_DATA]);
  }
  Rule rule = decoder.take();
  rule.mark = mark_in(listed.userdata);
  return rule;
}

}  // namespace berth::firewall::iptables
