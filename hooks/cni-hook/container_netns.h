#pragma once

#include <string>

#include "oci/state.h"

namespace berth::cni_hook {

/// The path of the container's network namespace: the one its config.json joins, else that of its process.
/// Throws std::runtime_error if it cannot be opened, or is the host's own.
std::string container_netns(const oci::State& state);

}  // namespace berth::cni_hook
