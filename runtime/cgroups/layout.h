#pragma once

#include <map>
#include <string>
#include <vector>

namespace berth::runtime {

/// One mounted cgroup v1 hierarchy.
struct Hierarchy {
  std::string mount_point;               ///< "/sys/fs/cgroup/cpu,cpuacct"
  std::vector<std::string> controllers;  ///< {"cpu", "cpuacct"} or {"name=systemd"}
  std::string own_path;                  ///< This process' cgroup in it, below the mount point ("/").
  bool read_only = false;
};

/// How cgroups are mounted on this host.
struct CgroupLayout {
  bool unified = false;             ///< cgroup v2 at /sys/fs/cgroup and nothing else
  std::string unified_mount_point;  ///< Set when unified.
  std::string unified_own_path;     ///< This process' cgroup in it.
  bool unified_read_only = false;
  std::vector<Hierarchy>
      hierarchies;  ///< v1 and hybrid layouts; a hybrid's v2 mount carries no controllers and is left out.

  /// Reads /proc/self/mountinfo and /proc/self/cgroup.
  static CgroupLayout detect();
  /// What detect() said when this process, or the one that it was cloned from, first asked.
  static const CgroupLayout& of_host();
};

/// The paths that a /proc/PID/cgroup names, by controller ("" for v2).
std::map<std::string, std::string> parse_process_cgroups(const std::string& text);

/// CgroupLayout::detect from the texts of the two files.
CgroupLayout parse_cgroup_layout(const std::string& mountinfo, const std::string& cgroup);

}  // namespace berth::runtime
