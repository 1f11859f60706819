#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace berth::runtime::cgroup_files {

/// memory.checkBeforeUpdate: throws if a memory limit (bytes; 0 or less: none) is not above what is used already.
void require_above_usage(int64_t limit, std::optional<int64_t> used);

/// Pids in cgroup.procs of a directory and everything below it. A missing directory has none.
std::vector<pid_t> processes_below(const std::string& directory);

/// SIGKILL to each process, again and again until none is left or patience ends. For kernels without cgroup.kill, and
/// races with fork.
void kill_each(const std::string& directory);

/// The text of a file of a cgroup; "" if the cgroup is not there, or just being removed.
std::string text_if_there(const std::string& path);

/// Removes a cgroup that has neither processes nor cgroups below it; true if it is not there (any more).
bool remove_if_empty(const std::string& directory);

/// Removes a cgroup and those below it, deepest first; waits for the kernel to let go of dying processes. A missing one
/// is fine.
void remove_tree(const std::string& directory);

/// The number behind `key ` in a flat keyed file ("oom_kill 3"); 0 if there is none.
uint64_t keyed_value(const std::string& path, const std::string& key);

/// "/a/../b//c" → "/b/c", relative to the root of the hierarchy: ".." never leads out of it.
std::string clean(const std::string& path);

}  // namespace berth::runtime::cgroup_files
