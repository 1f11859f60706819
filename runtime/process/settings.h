#pragma once

#include <sys/types.h>

#include "oci/config.h"

namespace berth::runtime {

/// What the kernel keeps of a process beside its identity: scheduling policy, I/O priority, execution domain and memory
/// policy. For the process itself, in its cgroup, before it drops privileges. Throws SystemError naming the key.
void apply_settings(const oci::Process& process, const oci::Linux& config);

/// process.oomScoreAdj of the calling process, while it sees the host's /proc and its files there are its own. Throws
/// SystemError.
void adjust_oom_score(const oci::Process& process);

/// Restricts a process (0: the calling one) to CPUs; `key` names them in errors.
void set_cpu_affinity(pid_t pid, const oci::BitMask& cpus, const char* key);

/// Lets a process run on every CPU of its cgroup: the kernel keeps a narrower mask that the runtime was started with
/// (sched_setaffinity(2)). Failures are none of the container's business.
void reset_cpu_affinity(pid_t pid);

}  // namespace berth::runtime
