#pragma once

#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "firewall/iptables/rule.h"
#include "firewall/ports.h"

/// The rules that publishing takes, as values.
namespace berth::firewall::iptables {

/// The rules of the owner's chain.
std::vector<Rule> forwarding_rules(const Publication& publication, net::Family family);
/// What such rules publish (without `container_port`).
std::vector<PortMapping> published_by(const std::vector<Rule>& rules);
/// The rules of CNI-HOSTPORT-DNAT that send packets to the owner's `chain`. Throws std::invalid_argument for conditions
/// that cannot be expressed.
std::vector<Rule> entry_rules(const Owner& owner, const Publication& publication, net::Family family,
                              const std::string& chain, bool shared);

/// A rule that all containers have in common, and where it is.
struct CommonRule {
  std::string chain;
  Rule rule;
  bool first = false;  ///< Inserted before all others.
};
/// In the order in which they are to be made; a chain that is not there yet must be created first.
std::vector<CommonRule> common_rules(const PublishOptions& options, net::Family family);
/// The chains that must exist for them.
std::vector<std::string> common_chains(const PublishOptions& options);

}  // namespace berth::firewall::iptables
