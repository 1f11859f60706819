#pragma once

#include <string>
#include <vector>

#include "firewall/firewall.h"
#include "firewall/nftables/holdings.h"

/// Clients whose address a container must not see, because its answer would not come back through this host: those of
/// its own subnet (hairpin), local ones over loopback, all with masqAll.
namespace berth::firewall::nftables {

/// The elements that say so of one container.
std::vector<Possession> clients_to_translate(const net::IpNet& container, const PublishOptions& options);

/// Makes the set for subnets of the container's prefix length and the rule that looks into it.
void prepare_hairpin(netfilter::Tables& tables, netfilter::Change& change, const net::IpNet& container,
                     const PublishOptions& options);
/// What of that is not there; empty if all is.
std::string missing_hairpin(netfilter::Tables& tables, const net::IpNet& container, const PublishOptions& options);

}  // namespace berth::firewall::nftables
