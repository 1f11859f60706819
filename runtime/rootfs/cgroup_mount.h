#pragma once

#include <map>
#include <string>

#include "base/fd.h"
#include "cgroups/layout.h"
#include "rootfs/mount_options.h"

namespace berth::runtime {

/// Performs a mount of type "cgroup": the container sees its own cgroup at `target`, on a host with cgroup v2 as one
/// mount, on one with v1 as a tmpfs with a mount for each hierarchy. `layout`: how cgroups are mounted
/// in this mount namespace. `cgroups`: the container's directories (Cgroup::paths()).
void mount_cgroups(const CgroupLayout& layout, const base::Fd& target, const MountOptions& options,
                   const std::map<std::string, std::string>& cgroups, bool own_cgroup_namespace);

}  // namespace berth::runtime
