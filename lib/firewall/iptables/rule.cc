#include "firewall/iptables/rule.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace berth::firewall::iptables {

namespace {

using net::Family;
using net::IpAddress;

ipt_ip& header(ipt_entry& entry) {
  return entry.ip;
}
ip6t_ip6& header(ip6t_entry& entry) {
  return entry.ipv6;
}

// The inversion flags have the same bits in both families.
static_assert(IPT_INV_SRCIP == IP6T_INV_SRCIP && IPT_INV_DSTIP == IP6T_INV_DSTIP && IPT_INV_VIA_IN == IP6T_INV_VIA_IN &&
              IPT_INV_VIA_OUT == IP6T_INV_VIA_OUT && static_cast<int>(IPT_INV_PROTO) == static_cast<int>(XT_INV_PROTO));

template <class Address>
void put_prefix(const net::IpNet& prefix, Address& address, Address& mask) {
  const IpAddress network = prefix.network().address;
  std::memcpy(&address, network.bytes(), sizeof address);
  uint8_t bytes[sizeof mask] = {};
  for (unsigned bit = 0; bit < prefix.prefix; ++bit) bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  std::memcpy(&mask, bytes, sizeof mask);
}

template <class Address>
net::IpNet get_prefix(Family family, const Address& address, const Address& mask) {
  uint8_t bytes[sizeof mask];
  std::memcpy(bytes, &mask, sizeof mask);
  unsigned prefix = 0;
  for (const uint8_t byte : bytes) prefix += static_cast<unsigned>(std::popcount(byte));
  return {IpAddress::from_bytes(family, &address), prefix};
}

/// As iptables does: the mask covers the name and its final zero, or just what stands before a '+'.
void put_interface(const std::string& name, char* field, unsigned char* mask) {
  if (name.size() >= IFNAMSIZ) throw std::invalid_argument("interface name is too long: \"" + name + "\"");
  if (name.empty()) return;
  // The field is zero already; a name of full length needs no end.
  std::memcpy(field, name.data(), name.size());  // NOLINT(bugprone-not-null-terminated-result)
  std::memset(mask, 0xff, name.back() == '+' ? name.size() - 1 : name.size() + 1);
}

std::string bounded(const char* text, size_t size) {
  return {text, strnlen(text, size)};
}

template <class Kernel>
size_t put_extension(std::vector<uint8_t>& bytes, const Extension& extension) {
  const size_t start = bytes.size();
  const size_t size = sizeof(Kernel) + extension.data.size();
  Kernel head{};
  std::memcpy(head.u.user.name, extension.name.data(), std::min(extension.name.size(), sizeof head.u.user.name - 1));
  head.u.user.revision = extension.revision;
  static_assert(offsetof(Kernel, u.user) == 0);
  const auto size16 = static_cast<uint16_t>(size);
  std::memcpy(&head, &size16, sizeof size16);
  bytes.resize(start + size);
  std::memcpy(bytes.data() + start, &head, sizeof head);
  if (!extension.data.empty()) {
    std::memcpy(bytes.data() + start + sizeof head, extension.data.data(), extension.data.size());
  }
  return size;
}

template <class Kernel>
Extension get_extension(const uint8_t* bytes, size_t size) {
  Kernel head;
  std::memcpy(&head, bytes, sizeof head);
  return {
      bounded(head.u.user.name, sizeof head.u.user.name), head.u.user.revision, {bytes + sizeof head, bytes + size}};
}

uint8_t inversions(const Rule& rule) {
  unsigned flags = 0;
  if (rule.source.inverted) flags |= IPT_INV_SRCIP;
  if (rule.destination.inverted) flags |= IPT_INV_DSTIP;
  if (rule.in.inverted) flags |= IPT_INV_VIA_IN;
  if (rule.out.inverted) flags |= IPT_INV_VIA_OUT;
  if (rule.protocol_inverted) flags |= XT_INV_PROTO;
  return static_cast<uint8_t>(flags);
}

template <class Entry>
std::vector<uint8_t> encode_as(const Rule& rule) {
  Entry entry{};
  auto& ip = header(entry);
  put_prefix(rule.source.net, ip.src, ip.smsk);
  put_prefix(rule.destination.net, ip.dst, ip.dmsk);
  put_interface(rule.in.name, ip.iniface, ip.iniface_mask);
  put_interface(rule.out.name, ip.outiface, ip.outiface_mask);
  ip.proto = rule.protocol;
  ip.invflags = inversions(rule);
  if constexpr (std::is_same_v<Entry, ip6t_entry>) {
    if (rule.protocol != 0) ip.flags |= IP6T_F_PROTO;
  }
  entry.nfcache = rule.mark;

  std::vector<uint8_t> bytes(sizeof entry);
  for (const auto& match : rule.matches) put_extension<xt_entry_match>(bytes, match);
  entry.target_offset = static_cast<uint16_t>(bytes.size());
  Extension target = rule.target;
  if (target.data.empty()) target.data.resize(XT_ALIGN(sizeof(xt_standard_target)) - sizeof(xt_entry_target));
  put_extension<xt_entry_target>(bytes, target);
  entry.next_offset = static_cast<uint16_t>(bytes.size());
  std::memcpy(bytes.data(), &entry, sizeof entry);
  return bytes;
}

template <class Entry>
Rule decode_as(Family family, const uint8_t* bytes, const std::string& target, bool is_jump) {
  Entry entry;
  std::memcpy(&entry, bytes, sizeof entry);
  auto& ip = header(entry);
  Rule rule(family);
  rule.source = {get_prefix(family, ip.src, ip.smsk), (ip.invflags & IPT_INV_SRCIP) != 0};
  rule.destination = {get_prefix(family, ip.dst, ip.dmsk), (ip.invflags & IPT_INV_DSTIP) != 0};
  rule.in = {bounded(ip.iniface, IFNAMSIZ), (ip.invflags & IPT_INV_VIA_IN) != 0};
  rule.out = {bounded(ip.outiface, IFNAMSIZ), (ip.invflags & IPT_INV_VIA_OUT) != 0};
  rule.protocol = static_cast<uint8_t>(ip.proto);
  rule.protocol_inverted = (ip.invflags & XT_INV_PROTO) != 0;
  rule.mark = entry.nfcache;
  for (size_t at = sizeof entry; at < entry.target_offset;) {
    uint16_t size;
    std::memcpy(&size, bytes + at, sizeof size);
    if (size < sizeof(xt_entry_match)) break;
    rule.matches.push_back(get_extension<xt_entry_match>(bytes + at, size));
    at += size;
  }
  if (is_jump) {
    rule.target.name = target;
  } else {
    rule.target = get_extension<xt_entry_target>(bytes + entry.target_offset,
                                                 static_cast<size_t>(entry.next_offset - entry.target_offset));
  }
  return rule;
}

}  // namespace

bool Rule::operator==(const Rule& other) const {
  return source == other.source && destination == other.destination && in == other.in && out == other.out &&
         protocol == other.protocol && protocol_inverted == other.protocol_inverted && matches == other.matches &&
         target == other.target;
}

std::vector<uint8_t> encode(const Rule& rule) {
  return rule.family() == Family::kIpv4 ? encode_as<ipt_entry>(rule) : encode_as<ip6t_entry>(rule);
}

Rule decode(Family family, const void* entry, const std::string& target, bool is_jump) {
  const auto* bytes = static_cast<const uint8_t*>(entry);
  return family == Family::kIpv4 ? decode_as<ipt_entry>(family, bytes, target, is_jump)
                                 : decode_as<ip6t_entry>(family, bytes, target, is_jump);
}

uint32_t mark_of(Family family, const void* entry) {
  return family == Family::kIpv4 ? static_cast<const ipt_entry*>(entry)->nfcache
                                 : static_cast<const ip6t_entry*>(entry)->nfcache;
}

}  // namespace berth::firewall::iptables
