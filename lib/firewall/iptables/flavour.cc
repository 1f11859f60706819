#include "firewall/iptables/flavour.h"

#include <netinet/in.h>
// The kernel's header steps back only if the C library's came first.
#include <linux/netfilter.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "firewall/netfilter/tables.h"

namespace berth::firewall::iptables {

namespace {

bool has_nf_tables() {
  try {
    netfilter::Tables().generation();
    return true;
  } catch (const base::SystemError&) {
    return false;
  }
}

bool nf_tables_in_use() {
  netfilter::Tables tables;
  for (const uint8_t family : {NFPROTO_IPV4, NFPROTO_IPV6}) {
    for (const char* name : {"nat", "filter"}) {
      if (tables.has_table({family, name})) return true;
    }
  }
  return false;
}

std::optional<Flavour> flavour_of_the_tool() {
  for (const char* path : {"/usr/sbin/iptables", "/sbin/iptables"}) {
    std::array<char, PATH_MAX> target{};
    if (::realpath(path, target.data()) == nullptr) continue;
    const std::string name = target.data();
    if (name.find("legacy") != std::string::npos) return Flavour::kLegacy;
    if (name.find("nft") != std::string::npos) return Flavour::kNfTables;
  }
  return std::nullopt;
}

}  // namespace

bool legacy_tables_in_use() {
  for (const char* names : {"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"}) {
    if (!base::read_if_present(names).value_or("").empty()) return true;
  }
  return false;
}

Flavour flavour_here() {
  if (legacy_tables_in_use() || !has_nf_tables()) return Flavour::kLegacy;
  if (nf_tables_in_use()) return Flavour::kNfTables;
  return flavour_of_the_tool().value_or(Flavour::kNfTables);
}

std::vector<Flavour> present_flavours() {
  if (!has_nf_tables()) return {Flavour::kLegacy};
  return {Flavour::kLegacy, Flavour::kNfTables};
}

}  // namespace berth::firewall::iptables
