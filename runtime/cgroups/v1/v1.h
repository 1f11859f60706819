#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/rollback.h"
#include "cgroups/cgroup.h"

namespace berth::runtime {

/// Cgroup v1: one directory for each hierarchy, by controller.
std::unique_ptr<Cgroup> make_v1_cgroup(std::map<std::string, std::string> paths);

/// Makes the directories that are not there; `rollback` gets their removal. Returns whether none was there.
bool make_v1_directories(const std::map<std::string, std::string>& paths, base::Rollback& rollback);

/// Writes the limits into the v1 files (kernel: Documentation/admin-guide/cgroup-v1). `undo`: see LimitFiles.
void apply_v1_limits(const std::map<std::string, std::string>& paths, const oci::Resources& resources,
                     base::Rollback* undo = nullptr);

/// Writes the device rules, the always-allowed ones included.
void apply_v1_devices(const std::map<std::string, std::string>& paths, const std::vector<oci::DeviceRule>& configured);

/// Reads the statistics of the v1 files.
CgroupStats read_v1_stats(const std::map<std::string, std::string>& paths);

}  // namespace berth::runtime
