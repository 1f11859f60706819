#include "cgroups/layout.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace berth::runtime {

namespace {

bool is_controller(const std::string& option, const std::map<std::string, std::string>& own) {
  return option.rfind("name=", 0) == 0 || (!option.empty() && own.count(option) != 0);
}

struct MountLine {
  std::string root, mount_point, type, super_options;
  bool read_only = false;
};

/// The mount may show only a part of the hierarchy (a container without a cgroup namespace): /proc/self/cgroup counts
/// from the hierarchy's root, paths below the mount point from the mount's.
std::string below_mount(const MountLine& mount, const std::map<std::string, std::string>& own,
                        const std::string& controller) {
  const auto found = own.find(controller);
  if (found == own.end()) return "/";
  const std::string& path = found->second;
  if (mount.root == "/" || path.rfind(mount.root, 0) != 0) return path;
  if (path.size() == mount.root.size()) return "/";
  return path[mount.root.size()] == '/' ? path.substr(mount.root.size()) : path;
}

bool has_option(const std::string& options, const std::string& option) {
  return ("," + options + ",").find("," + option + ",") != std::string::npos;
}

/// One line of /proc/self/mountinfo (proc(5)): optional fields end with "-".
bool parse_line(const std::string& line, MountLine& parsed) {
  const auto dash = line.find(" - ");
  if (dash == std::string::npos) return false;
  const auto fields = base::split(line.substr(0, dash), ' ');
  const auto behind = base::split(line.substr(dash + 3), ' ');
  if (fields.size() < 6 || behind.size() < 3) return false;
  parsed = {fields[3], fields[4], behind[0], behind[2], has_option(fields[5], "ro") || has_option(behind[2], "ro")};
  return true;
}

/// What is mounted at a path, or below it, is not seen any more once something else is mounted there.
bool is_hidden_by(const std::string& mount_point, const std::string& later) {
  return mount_point == later || mount_point.starts_with(later == "/" ? later : later + "/");
}

}  // namespace

std::map<std::string, std::string> parse_process_cgroups(const std::string& text) {
  std::map<std::string, std::string> paths;
  // "4:memory:/path"; the v2 line has no controllers ("0::/path").
  for (const auto& line : base::split(text, '\n')) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    for (const auto& controller : base::split(line.substr(first + 1, second - first - 1), ','))
      paths[controller] = line.substr(second + 1);
    if (second == first + 1) paths[""] = line.substr(second + 1);
  }
  return paths;
}

CgroupLayout parse_cgroup_layout(const std::string& mountinfo, const std::string& cgroup) {
  CgroupLayout layout;
  const auto own = parse_process_cgroups(cgroup);
  MountLine unified;
  for (const auto& line : base::split(mountinfo, '\n')) {
    MountLine mount;
    if (!parse_line(line, mount)) continue;
    std::erase_if(layout.hierarchies,
                  [&](const Hierarchy& other) { return is_hidden_by(other.mount_point, mount.mount_point); });
    if (is_hidden_by(unified.mount_point, mount.mount_point)) unified = {};
    if (mount.type == "cgroup2" && unified.mount_point.empty()) unified = mount;
    if (mount.type != "cgroup") continue;
    Hierarchy hierarchy;
    hierarchy.mount_point = mount.mount_point;
    for (const auto& option : base::split(mount.super_options, ',')) {
      if (is_controller(option, own)) hierarchy.controllers.push_back(option);
    }
    if (hierarchy.controllers.empty()) continue;
    hierarchy.own_path = below_mount(mount, own, hierarchy.controllers.front());
    hierarchy.read_only = mount.read_only;
    const auto known = std::any_of(layout.hierarchies.begin(), layout.hierarchies.end(),
                                   [&](const Hierarchy& other) { return other.controllers == hierarchy.controllers; });
    if (!known) layout.hierarchies.push_back(std::move(hierarchy));
  }
  if (layout.hierarchies.empty() && !unified.mount_point.empty()) {
    layout.unified = true;
    layout.unified_mount_point = unified.mount_point;
    layout.unified_own_path = below_mount(unified, own, "");
    layout.unified_read_only = unified.read_only;
  }
  return layout;
}

CgroupLayout CgroupLayout::detect() {
  return parse_cgroup_layout(base::read_file("/proc/self/mountinfo"), base::read_file("/proc/self/cgroup"));
}

const CgroupLayout& CgroupLayout::of_host() {
  static const CgroupLayout layout = detect();
  return layout;
}

}  // namespace berth::runtime
