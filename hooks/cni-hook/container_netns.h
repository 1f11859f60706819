#pragma once

#include <string>

#include "cni/client/client.h"
#include "oci/state.h"

namespace berth::cni_hook {

/// The path of the container's network namespace: the one its config.json joins, else that of its process.
/// Throws std::runtime_error if it cannot be opened, or is the host's own.
std::string container_netns(const oci::State& state);

/// The namespace an attachment was made in, for DEL: empty if it is gone. A process id, and with it the path, may
/// belong to another container by now, so the attachment's interface must still be there with its hardware address.
std::string surviving_netns(const cni::Client::Cached& attachment);

}  // namespace berth::cni_hook
