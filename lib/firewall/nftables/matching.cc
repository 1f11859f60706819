#include "firewall/nftables/matching.h"

#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>

#include "firewall/nftables/keys.h"

namespace berth::firewall::nftables {

namespace {

namespace expr = netfilter::expr;
using net::Family;
using net::IpNet;
using net::Message;

constexpr uint32_t kWordSize = 4;

/// Where the addresses are in a network header, and how long.
struct Place {
  uint32_t source;
  uint32_t destination;
  uint32_t size;
};

Place place_of(Family family) {
  return family == Family::kIpv4 ? Place{12, 16, 4} : Place{8, 24, 16};
}

void require_in(Message& rule, const IpNet& net, bool inverted) {
  const auto mask = mask_of(net.address.family(), net.prefix);
  if (net.prefix < net.address.bits()) expr::mask(rule, expr::kRegister1, mask);
  expr::compare(rule, expr::kRegister1, inverted ? NFT_CMP_NEQ : NFT_CMP_EQ, address_key(net.network().address));
}

/// Protocol and destination port into the two words from `word` on.
void load_port_key(Message& rule, uint32_t word) {
  expr::load_meta(rule, NFT_META_L4PROTO, word);
  expr::load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, word + 1);
}

/// Looks the key up that starts at `key`, and sends the connection where the map says.
void translate_by(Message& rule, Family family, const std::string& map, uint32_t key) {
  expr::lookup(rule, map, key, key);
  const uint32_t port = expr::kWord0 + place_of(family).size / kWordSize;
  expr::dnat(rule, family == Family::kIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6, key, port);
}

}  // namespace

void require_family(Message& rule, Family family) {
  expr::load_meta(rule, NFT_META_NFPROTO, expr::kRegister1);
  const uint8_t number = family == Family::kIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  expr::compare(rule, expr::kRegister1, NFT_CMP_EQ, {number});
}

void load_source(Message& rule, Family family, uint32_t destination) {
  const Place place = place_of(family);
  expr::load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, place.source, place.size, destination);
}

void load_destination(Message& rule, Family family, uint32_t destination) {
  const Place place = place_of(family);
  expr::load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, place.destination, place.size, destination);
}

void require_source_in(Message& rule, const IpNet& net, bool inverted) {
  load_source(rule, net.address.family(), expr::kRegister1);
  require_in(rule, net, inverted);
}

void require_destination_in(Message& rule, const IpNet& net, bool inverted) {
  load_destination(rule, net.address.family(), expr::kRegister1);
  require_in(rule, net, inverted);
}

void require_interface(Message& rule, uint32_t key, const std::string& name, bool inverted) {
  Bytes text(name.begin(), name.end());
  if (!name.empty() && name.back() == '*') {
    text.pop_back();
  } else {
    text.resize(IFNAMSIZ);
  }
  expr::load_meta(rule, key, expr::kRegister1);
  expr::compare(rule, expr::kRegister1, inverted ? NFT_CMP_NEQ : NFT_CMP_EQ, text);
}

void translate(Message& rule, Family family, const std::string& map) {
  require_family(rule, family);
  load_port_key(rule, expr::kWord0);
  translate_by(rule, family, map, expr::kWord0);
}

void translate_by_address(Message& rule, Family family, const std::string& map) {
  require_family(rule, family);
  load_destination(rule, family, expr::kWord0);
  load_port_key(rule, expr::kWord0 + place_of(family).size / kWordSize);
  translate_by(rule, family, map, expr::kWord0);
}

}  // namespace berth::firewall::nftables
