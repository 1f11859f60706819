#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace berth::test {

/// Makes this process the one that adopts the orphans of what it runs, so that a runtime that leaves a process behind
/// is found out: what a runtime started and did not end is a child of the test then.
void adopt_orphans();
/// Leaves them to the machine's init again.
void leave_orphans();

/// The children of this process' first thread, the ended ones included.
std::vector<pid_t> children();

/// The children of this process that still live after some patience, as "PID COMMAND LINE"; those that have ended are
/// reaped. For moments at which the test runs nothing itself.
std::vector<std::string> living_orphans();

/// Ends all of them, by pid: they are ours.
void end_orphans();

}  // namespace berth::test
