#pragma once

#include <string>

#include "base/fd.h"
#include "oci/config.h"

namespace berth::runtime {

/// Where the mounts of a container may go. The rules are those of runc: nothing hides /proc or a part of it but a proc
/// file system, or one of the files that show a container's own limits (oci-runtime.md 2.4).

/// Checks what can be checked by name, before anything exists. Throws std::runtime_error.
void check_destination(const oci::Mount& mount);

/// Opens the place for `mount` below `root`, and makes it if it is missing: a directory, or a file for a source that is
/// none. `source`: what will be bound; empty for a new file system. Throws std::runtime_error, SystemError.
base::Fd open_target(const base::Fd& root, const oci::Mount& mount, const base::Fd& source);

/// Throws unless `mount` is now what is seen at the destination: somebody who shares a part of the root file system may
/// have moved the directories around.
void require_mounted_at(const base::Fd& root, const oci::Mount& mount, const base::Fd& mounted);

}  // namespace berth::runtime
