#pragma once

#include <functional>
#include <string>

#include "firewall/firewall.h"

/// What the reference plugins leave in nf_tables tables of their own: `ip cni_hostport` and `ip6 cni_hostport` (rules
/// commented with a container id alone), `inet cni_plugins_masquerade` (rules commented with hashes of the network and
/// of interface and container, then their names).
namespace berth::firewall::nftables {

/// Removes the ports that the reference's portmap published for a container, on whatever network.
void remove_reference_ports(const Owner& owner);
/// Removes the masquerading that its bridge or ptp made for an attachment.
void remove_reference_masquerading(const Owner& owner);
/// Removes its masquerading of a network's attachments that `is_valid` rejects. (Its published ports do not say which
/// network they belong to.)
void collect_reference_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid);

}  // namespace berth::firewall::nftables
