#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"

namespace berth::runtime {

/// Paths inside a container's root file system. The root file system is hostile: every path is resolved by the kernel
/// within the root (openat2 RESOLVE_IN_ROOT, no magic links) and held as a descriptor; nothing is resolved twice.

/// Opens an existing `path` below `root` with O_PATH (plus `flags`). Throws SystemError naming the path.
base::Fd open_in_root(const base::Fd& root, const std::string& path, int flags = 0);
/// As above; empty if it does not exist.
base::Fd try_open_in_root(const base::Fd& root, const std::string& path, int flags = 0);
/// As open_in_root, but a symbolic link anywhere in the path is an error.
base::Fd open_without_symlinks(const base::Fd& root, const std::string& path, int flags = 0);

/// Throws SystemError.
bool is_directory(const base::Fd& fd);

/// mkdir -p below `root`, one component after the other on held descriptors; returns the directory (O_PATH).
base::Fd make_directories_in_root(const base::Fd& root, const std::string& path, mode_t mode);
/// Makes parents and an empty regular file if there is nothing; returns it (O_PATH).
base::Fd make_file_in_root(const base::Fd& root, const std::string& path);

/// "/a//b/../c/" → "/a/c": lexically, for comparisons only.
std::string clean_path(const std::string& path);

}  // namespace berth::runtime
