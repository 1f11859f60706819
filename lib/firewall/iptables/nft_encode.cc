#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <net/if.h>

#include "firewall/iptables/nft_rule.h"
#include "firewall/netfilter/expressions.h"

namespace berth::firewall::iptables {

namespace {

namespace expr = netfilter::expr;
using net::Message;
using netfilter::Bytes;
using netfilter::put_be32;

uint32_t comparison(bool inverted) {
  return inverted ? NFT_CMP_NEQ : NFT_CMP_EQ;
}

void put_address(Message& message, const AddressMatch& match, uint32_t offset) {
  if (match.net.prefix == 0 && !match.inverted) return;
  const auto network = match.net.network().address;
  expr::load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, offset, static_cast<uint32_t>(network.size()),
                     expr::kRegister1);
  if (match.net.prefix < network.bits()) {
    Bytes mask(network.size());
    for (unsigned bit = 0; bit < match.net.prefix; ++bit) mask[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
    expr::mask(message, expr::kRegister1, mask);
  }
  expr::compare(message, expr::kRegister1, comparison(match.inverted),
                {network.bytes(), network.bytes() + network.size()});
}

void put_interface(Message& message, const InterfaceMatch& match, uint32_t key) {
  if (match.name.empty()) return;
  Bytes name(match.name.begin(), match.name.end());
  if (name.back() == '+') {
    name.pop_back();
  } else {
    name.resize(IFNAMSIZ);
  }
  // "+" alone is any interface.
  if (name.empty()) return;
  expr::load_meta(message, key, expr::kRegister1);
  expr::compare(message, expr::kRegister1, comparison(match.inverted), name);
}

void put_extension(Message& message, const char* kind, const Extension& extension) {
  static_assert(NFTA_MATCH_NAME == static_cast<int>(NFTA_TARGET_NAME) &&
                NFTA_MATCH_REV == static_cast<int>(NFTA_TARGET_REV) &&
                NFTA_MATCH_INFO == static_cast<int>(NFTA_TARGET_INFO));
  message.nest(NFTA_LIST_ELEM, [&] {
    message.put(NFTA_EXPR_NAME, kind);
    message.nest(NFTA_EXPR_DATA, [&] {
      message.put(NFTA_MATCH_NAME, extension.name);
      put_be32(message, NFTA_MATCH_REV, extension.revision);
      message.put_bytes(NFTA_MATCH_INFO, extension.data.data(), extension.data.size());
    });
  });
}

void put_target(Message& message, const Extension& target) {
  if (!target.data.empty()) return put_extension(message, "target", target);
  if (target.name.empty()) return;
  if (target.name == "ACCEPT") return expr::verdict(message, NF_ACCEPT);
  if (target.name == "DROP") return expr::verdict(message, NF_DROP);
  if (target.name == "RETURN") return expr::verdict(message, NFT_RETURN);
  expr::verdict(message, NFT_JUMP, target.name);
}

}  // namespace

void encode_nft(Message& message, const Rule& rule) {
  const bool v4 = rule.family() == net::Family::kIpv4;
  message.nest(NFTA_RULE_EXPRESSIONS, [&] {
    put_interface(message, rule.in, NFT_META_IIFNAME);
    put_interface(message, rule.out, NFT_META_OIFNAME);
    if (rule.protocol != 0) {
      expr::load_meta(message, NFT_META_L4PROTO, expr::kRegister1);
      expr::compare(message, expr::kRegister1, comparison(rule.protocol_inverted), {rule.protocol});
    }
    put_address(message, rule.source, v4 ? 12 : 8);
    put_address(message, rule.destination, v4 ? 16 : 24);
    for (const auto& match : rule.matches) put_extension(message, "match", match);
    expr::counter(message);
    put_target(message, rule.target);
  });
  if (rule.protocol != 0) {
    message.nest(NFTA_RULE_COMPAT, [&] {
      put_be32(message, NFTA_RULE_COMPAT_PROTO, rule.protocol);
      put_be32(message, NFTA_RULE_COMPAT_FLAGS, rule.protocol_inverted ? uint32_t{NFT_RULE_COMPAT_F_INV} : 0U);
    });
  }
  if (rule.mark == 0) return;
  Bytes userdata{kMarkType, sizeof rule.mark};
  for (const unsigned shift : {24U, 16U, 8U, 0U}) userdata.push_back(static_cast<uint8_t>(rule.mark >> shift));
  message.put_bytes(NFTA_RULE_USERDATA, userdata.data(), userdata.size());
}

}  // namespace berth::firewall::iptables
