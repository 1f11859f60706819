#pragma once

#include <sys/types.h>

#include <map>
#include <string>

namespace berth::runtime {

/// Where `exec --cgroup TEXT` puts a process of the container that has `paths` (Cgroup::paths()): TEXT is
/// [CONTROLLER[,CONTROLLER]:]PATH, PATH below the container's cgroup and in existence; on v2 it is only PATH. Without
/// controllers it is meant for all of them. Throws std::runtime_error naming TEXT.
std::map<std::string, std::string> subgroup_paths(const std::map<std::string, std::string>& paths,
                                                  const std::string& text);

/// The cgroup v2 directory that a process is in now; empty where cgroups are not v2.
std::string unified_directory_of(pid_t pid);

}  // namespace berth::runtime
