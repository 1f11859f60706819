#pragma once

#include <string>
#include <vector>

#include "oci/config.h"
#include "process/sync.h"
#include "security/seccomp/filter.h"

namespace berth::runtime {

/// What a process does before it executes the container's program, its first one or one of `exec`, in the container's
/// root and namespaces: enters its working directory, becomes the process' user, finds the program, and loads the
/// seccomp filter. Whatever can fail does so here. Returns the program's path.
///
/// With the filter loaded nothing is called any more that a profile has to allow for the runtime's sake, but for capset
/// if the process may gain privileges, close, execve, and read and write, which speak to the parent.
std::string take_last_steps(const oci::Process& process, const std::vector<std::string>& env,
                            const SeccompFilter* filter, const SyncChannel& sync);

}  // namespace berth::runtime
