#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

/// The kernel's descriptor-based mount interface (Linux 5.2 to 5.12), one function for each thing done with it. Mounts
/// are made detached, get their attributes, and are attached to a held target: no remount, no second path lookup.
namespace berth::runtime {

/// A new detached mount of a file system. `attributes`: MOUNT_ATTR_*. Throws SystemError.
base::Fd make_mount(const std::string& type, const std::string& source,
                    const std::vector<std::string>& superblock_flags, const std::vector<std::string>& data,
                    uint64_t attributes);

/// A detached copy of the mount at `path` (host path) or at an open descriptor.
base::Fd clone_mount(const std::string& path, bool recursive);
base::Fd clone_mount(const base::Fd& at, bool recursive);

/// Changes attributes of one mount, or of it and all below (mount_setattr). An atime attribute replaces the others.
void set_attributes(const base::Fd& mount, uint64_t set, uint64_t clear, bool recursive = false);
/// Makes a mount read-only once whoever has a file open for writing is through (half a second at most).
void make_read_only(const base::Fd& mount);
/// Shows the files of a detached mount as owned by what the user namespace's maps say (MOUNT_ATTR_IDMAP).
void map_ids(const base::Fd& mount, const base::Fd& user_namespace, bool recursive);
/// MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, with MS_REC for the whole tree.
void set_propagation(const base::Fd& mount, uint64_t flags);

/// Attaches a detached mount to a held target, or to `name` in a held directory, which is not followed if it is a link.
void attach(const base::Fd& mount, const base::Fd& target);
void attach(const base::Fd& mount, const base::Fd& directory, const std::string& name);

/// Changes flags and options of the file system that is mounted at a held place (fspick).
void reconfigure(const base::Fd& mounted, const std::vector<std::string>& superblock_flags,
                 const std::vector<std::string>& data);

/// The number of the mount that an open file is on (unique among those that exist).
uint64_t mount_id(const base::Fd& at);

}  // namespace berth::runtime
