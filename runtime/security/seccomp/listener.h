#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "oci/seccomp.h"
#include "oci/state.h"
#include "process/sync.h"

namespace berth::runtime {

/// The parent's half of loading a filter with notifications (runtime-spec, config-linux.md "Container process state").
/// Waits until the child has a listener, takes it, hands it to the agent that listens at the profile's listenerPath
/// (one connection, one message, closed afterwards), and lets the child go on. The child, whose filter may hold back
/// almost anything, only writes a number; the socket may be out of its reach anyway. `state` is the container's, `pid`
/// the child. Throws SystemError naming the path.
void pass_listener(const SyncChannel& sync, const base::Fd& pidfd, const oci::Seccomp& profile, const oci::State& state,
                   pid_t pid);

/// The child's half.
void offer_listener(const SyncChannel& sync, base::Fd listener);

}  // namespace berth::runtime
