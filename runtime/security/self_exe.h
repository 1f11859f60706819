#pragma once

#include <string>

namespace berth::runtime {

/// Makes sure that the running executable cannot be written through /proc/PID/exe by a process of a container
/// (CVE-2019-5736): unless it already lies on a read-only mount, executes itself again from a private read-only copy of
/// its mount. For commands that put a process into a container, before they do anything. Returns if it is protected, or
/// if we have no right to mount and so none that a container could abuse; throws SystemError. (Mostly it was done
/// before the C library started: early_start.cc.)
void protect_own_executable(char** argv);

/// Takes what a former execution of ourselves has left in the environment out of it. For every command, at once.
void learn_own_executable();

/// Where the executable really is, also after protect_own_executable.
std::string own_executable();

}  // namespace berth::runtime
