#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"

namespace berth::runtime {

/// Opens /dev/null in the place of each standard stream that the caller has closed: what is opened later must not get
/// its number, and be taken for it. Throws base::SystemError.
void open_missing_streams();

/// Puts the null device of the container in the place of each standard stream that is one: a container's root must not
/// get hold of the host's inode, whose mode it could change. False if the container has no null device.
bool replace_null_streams(const base::Fd& root);

/// What the standard streams of a process are, as its /proc/PID/fd says: "pipe:[4711]", "/dev/null", …
std::vector<std::string> standard_streams_of(pid_t pid);

}  // namespace berth::runtime
