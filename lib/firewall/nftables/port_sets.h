#pragma once

#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "firewall/nftables/holdings.h"
#include "net/ip.h"

namespace berth::firewall::nftables {

/// The maps that one family's published ports are in: those of everybody, or those of everybody who publishes under the
/// same conditions, which have a chain of their own that is jumped to under these conditions.
class PortSets {
 public:
  /// `options` tell the conditions. Throws std::invalid_argument for some that cannot be expressed.
  PortSets(const PublishOptions& options, net::Family family);

  net::Family family() const { return family_; }
  const std::string& any_address() const { return any_address_; }
  const std::string& by_address() const { return by_address_; }

  /// Makes what conditions need: the maps, the chain, the jump.
  void prepare(netfilter::Tables& tables, netfilter::Change& change) const;
  /// What `prepare` makes and is not there; empty if all is.
  std::string missing_part(netfilter::Tables& tables) const;

  /// The family of one of these maps, or of one under any conditions; nullopt for another set.
  static std::optional<net::Family> family_of(const std::string& set);
  /// Removes maps under conditions that become empty, with their chain and the jump.
  static void retire(netfilter::Tables& tables, netfilter::Change& change, const std::vector<Item>& gone,
                     const std::string& tag);

 private:
  net::Family family_;
  std::string suffix_;  ///< Empty: without conditions.
  std::string any_address_;
  std::string by_address_;
  netfilter::Expressions conditions_;
};

}  // namespace berth::firewall::nftables
