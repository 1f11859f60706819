#pragma once

#include <functional>
#include <string>

#include "cni/request.h"
#include "cni/result.h"

namespace berth::firewall_plugin {

/// The container's bridge: the first interface of `previous` that is not in a sandbox. Throws cni::Error if there is
/// none.
std::string bridge_of(const cni::Result& previous);
/// The container's port of it: the next interface on the host; empty if there is none.
std::string port_of(const cni::Result& previous);

/// Tells whether a bridge has ports other than those that the request's prevResult names, which are the container's own
/// and about to go. A link that is no bridge (ptp's veth) is used as long as it is there, unless it is such a port.
std::function<bool(const std::string& bridge)> used_by_others(const cni::Request& request);

}  // namespace berth::firewall_plugin
