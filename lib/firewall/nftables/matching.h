#pragma once

#include <string>

#include "firewall/netfilter/expressions.h"
#include "net/ip.h"

/// The statements our rules are made of, a few expressions each, as nft itself would write them.
namespace berth::firewall::nftables {

/// meta nfproto ipv4 (or ipv6); before anything that looks into the network header.
void require_family(net::Message& rule, net::Family family);
/// ip saddr / ip daddr into registers from `destination` on
void load_source(net::Message& rule, net::Family family, uint32_t destination);
void load_destination(net::Message& rule, net::Family family, uint32_t destination);
/// ip saddr [!=] NET, ip daddr [!=] NET
void require_source_in(net::Message& rule, const net::IpNet& net, bool inverted = false);
void require_destination_in(net::Message& rule, const net::IpNet& net, bool inverted = false);
/// `key`: NFT_META_IIFNAME or NFT_META_OIFNAME. A final '*' of the name matches every name that begins so.
void require_interface(net::Message& rule, uint32_t key, const std::string& name, bool inverted = false);

/// dnat to meta l4proto . th dport map @MAP
void translate(net::Message& rule, net::Family family, const std::string& map);
/// dnat to ip daddr . meta l4proto . th dport map @MAP
void translate_by_address(net::Message& rule, net::Family family, const std::string& map);

}  // namespace berth::firewall::nftables
