#include "cgroups/layout.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "base/file.h"

namespace berth::runtime {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

/// /proc/self/cgroup: "4:memory:/path", the v2 line has no controllers ("0::/path").
std::map<std::string, std::string> own_paths(const std::string& text) {
  std::map<std::string, std::string> paths;
  for (const auto& line : split(text, '\n')) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    for (const auto& controller : split(line.substr(first + 1, second - first - 1), ','))
      paths[controller] = line.substr(second + 1);
    if (second == first + 1) paths[""] = line.substr(second + 1);
  }
  return paths;
}

bool is_controller(const std::string& option, const std::map<std::string, std::string>& own) {
  return option.rfind("name=", 0) == 0 || (!option.empty() && own.count(option) != 0);
}

struct MountLine {
  std::string root, mount_point, type, super_options;
};

/// One line of /proc/self/mountinfo (proc(5)): optional fields end with "-".
bool parse_line(const std::string& line, MountLine& parsed) {
  const auto dash = line.find(" - ");
  if (dash == std::string::npos) return false;
  const auto fields = split(line.substr(0, dash), ' ');
  const auto behind = split(line.substr(dash + 3), ' ');
  if (fields.size() < 6 || behind.size() < 3) return false;
  parsed = {fields[3], fields[4], behind[0], behind[2]};
  return true;
}

}  // namespace

CgroupLayout parse_cgroup_layout(const std::string& mountinfo, const std::string& cgroup) {
  CgroupLayout layout;
  const auto own = own_paths(cgroup);
  std::string unified;
  for (const auto& line : split(mountinfo, '\n')) {
    MountLine mount;
    if (!parse_line(line, mount)) continue;
    if (mount.type == "cgroup2" && unified.empty()) unified = mount.mount_point;
    if (mount.type != "cgroup") continue;
    Hierarchy hierarchy;
    hierarchy.mount_point = mount.mount_point;
    for (const auto& option : split(mount.super_options, ',')) {
      if (is_controller(option, own)) hierarchy.controllers.push_back(option);
    }
    if (hierarchy.controllers.empty()) continue;
    const auto& first = hierarchy.controllers.front();
    const auto path = own.find(first);
    hierarchy.own_path = path == own.end() ? "/" : path->second;
    const auto known = std::any_of(layout.hierarchies.begin(), layout.hierarchies.end(),
                                   [&](const Hierarchy& other) { return other.controllers == hierarchy.controllers; });
    if (!known) layout.hierarchies.push_back(std::move(hierarchy));
  }
  if (layout.hierarchies.empty() && !unified.empty()) {
    layout.unified = true;
    layout.unified_mount_point = unified;
    const auto path = own.find("");
    layout.unified_own_path = path == own.end() ? "/" : path->second;
  }
  return layout;
}

CgroupLayout CgroupLayout::detect() {
  return parse_cgroup_layout(base::read_file("/proc/self/mountinfo"), base::read_file("/proc/self/cgroup"));
}

}  // namespace berth::runtime
