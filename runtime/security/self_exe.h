#pragma once

namespace berth::runtime {

/// Makes sure that the running executable cannot be written through /proc/PID/exe by a process of a container
/// (CVE-2019-5736): unless it already lies on a read-only mount, executes itself again from a private read-only copy of
/// its mount. Call it first in commands that put a process into a container. Returns if it is protected; throws
/// SystemError.
void protect_own_executable(char** argv);

}  // namespace berth::runtime
