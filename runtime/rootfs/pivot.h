#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace berth::runtime {

/// Makes `root` the root of this mount namespace and lets go of the old one. `no_pivot`: by moving the mount and
/// chroot, for hosts that run from a ramdisk.
void change_root(const base::Fd& root, bool no_pivot);

/// Opens a path of the container; empty if it is missing (Mounts::try_open).
using PathOpener = std::function<base::Fd(const std::string&)>;

/// linux.readonlyPaths; missing ones are skipped. After change_root.
void make_paths_read_only(const PathOpener& open, const std::vector<std::string>& paths);

/// linux.maskedPaths: directories are covered by one shared, empty, read-only tmpfs, files by `null_device` (from
/// open_null_device). Missing ones are skipped. After change_root. `mount_label`: SELinux context of the tmpfs, or
/// empty.
void mask_paths(const PathOpener& open, const std::vector<std::string>& paths, const base::Fd& null_device,
                const std::string& mount_label);

/// A detached mount of the host's /dev/null, verified to be character device 1:3. Before change_root.
base::Fd open_null_device();

}  // namespace berth::runtime
