#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

/// mount(2) beside the interface of mount_api.h, which takes no text of 256 bytes: the layers of an overlay are longer.
namespace berth::runtime {

/// Whether one of these is too long for make_mount.
bool needs_mount_by_path(const std::string& source, const std::vector<std::string>& data);

/// The same as make_mount. mount(2) needs a path: for that moment a file system of ours lies over the directory
/// `place`, where nobody can swap anything. Throws SystemError, and std::runtime_error for what mount(2) would cut off.
base::Fd make_mount_by_path(const base::Fd& place, const std::string& type, const std::string& source,
                            const std::vector<std::string>& superblock_flags, const std::vector<std::string>& data,
                            uint64_t attributes);

}  // namespace berth::runtime
