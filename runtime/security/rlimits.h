#pragma once

#include <sys/types.h>

#include <vector>

#include "oci/config.h"

namespace berth::runtime {

/// Sets resource limits of a process with prlimit(2), from the runtime: the container may lack the right to raise them.
void set_rlimits(pid_t pid, const std::vector<oci::Rlimit>& limits);

}  // namespace berth::runtime
