#pragma once

#include <sys/types.h>

#include <string>

namespace berth::test {

/// True where the machine's cgroups are version 2 and nothing else.
bool on_cgroup_v2();

/// While it lives, version 2 is all that this mount namespace sees of cgroups, without the controllers that version 1
/// has on this machine: processes, freezing and killing are its business then, limits are not.
class OnlyCgroupV2 {
 public:
  OnlyCgroupV2();
  ~OnlyCgroupV2();
  OnlyCgroupV2(const OnlyCgroupV2&) = delete;
  OnlyCgroupV2& operator=(const OnlyCgroupV2&) = delete;
};

/// False if this machine has a v1 hierarchy that is mounted nowhere here. Programs that look for all of a process'
/// cgroups give up then.
bool every_hierarchy_is_mounted();

/// The directory of a process' cgroup: in the hierarchy of `controller` on v1, the only one on v2.
std::string cgroup_directory_of(pid_t pid, const std::string& controller);

/// What a file of it reads, without the line break at its end; "no FILE" if there is none. A limit as the kernel has
/// it.
std::string limit_of(pid_t pid, const std::string& controller, const std::string& file);

}  // namespace berth::test
