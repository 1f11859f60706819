#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/ip.h"

/// x_tables rules as plain values that compare, and their bytes as iptables itself would build them.
namespace berth::firewall::iptables {

/// A match or target of the kernel: its name, revision and parameters (padded as XT_ALIGN asks).
struct Extension {
  std::string name;
  uint8_t revision = 0;
  std::vector<uint8_t> data;

  bool operator==(const Extension&) const = default;
};

/// A prefix a packet's address must (or must not) be in; prefix 0 matches everything.
struct AddressMatch {
  net::IpNet net;
  bool inverted = false;

  bool operator==(const AddressMatch&) const = default;
};

/// An interface name, "" for any; a final '+' matches every name that begins so.
struct InterfaceMatch {
  std::string name;
  bool inverted = false;

  bool operator==(const InterfaceMatch&) const = default;
};

/// One rule. The order of `matches` is part of it: `iptables -C` and `-D` compare them in order.
struct Rule {
  explicit Rule(net::Family family)
      : source{{net::IpAddress::any(family), 0}}, destination{{net::IpAddress::any(family), 0}} {}

  net::Family family() const { return source.net.address.family(); }

  AddressMatch source;
  AddressMatch destination;
  InterfaceMatch in;
  InterfaceMatch out;
  uint8_t protocol = 0;  ///< 0: any.
  bool protocol_inverted = false;
  std::vector<Extension> matches;
  Extension target;  ///< Without data: a verdict ("ACCEPT") or a chain to jump to; "" falls through.

  /// Says whose rule this is, in a field that the kernel keeps, and that iptables neither shows nor compares
  /// (ipt_entry.nfcache). 0: not said. Not part of the comparison.
  uint32_t mark = 0;

  bool operator==(const Rule& other) const;
};

/// struct ipt_entry or ip6t_entry, its matches and its target. Throws std::invalid_argument if an interface name is too
/// long.
std::vector<uint8_t> encode(const Rule& rule);

/// The rule in the bytes of `entry` (struct ipt_entry or ip6t_entry). `target` is what iptables calls the target;
/// `is_jump` if it is a verdict or a chain, whose bytes then mean nothing.
Rule decode(net::Family family, const void* entry, const std::string& target, bool is_jump);

/// The mark alone.
uint32_t mark_of(net::Family family, const void* entry);

}  // namespace berth::firewall::iptables
