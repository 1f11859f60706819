#pragma once

#include <string>

#include "network/network_flags.h"

namespace berth::runtime {

/// The hook that connects the container of a user without root's rights, by pasta or slirp4netns (docs/rootless.md).
/// Throws std::runtime_error that says exactly what is missing: a program and its package, a device, or, for networks
/// of CNI, the rights. `state_directory` is the container's.
NetworkHook user_network_hook(const NetworkFlags& flags, const std::string& state_directory);

}  // namespace berth::runtime
