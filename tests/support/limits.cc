#include "support/limits.h"

#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"

namespace berth::test {

namespace {
constexpr const char* kCgroups = "/sys/fs/cgroup";
}  // namespace

bool on_cgroup_v2() {
  return std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers");
}

OnlyCgroupV2::OnlyCgroupV2() {
  base::check(::mount("cgroup2", kCgroups, "cgroup2", 0, nullptr), "mount cgroup2 over", kCgroups);
}

OnlyCgroupV2::~OnlyCgroupV2() {
  ::umount2(kCgroups, MNT_DETACH);
}

bool every_hierarchy_is_mounted() {
  std::ifstream cgroups("/proc/self/cgroup");
  for (std::string line; std::getline(cgroups, line);) {
    const auto first = line.find(':');
    const std::string controllers = line.substr(first + 1, line.find(':', first + 1) - first - 1);
    const bool named = controllers.starts_with("name=");
    if (controllers.empty() || std::filesystem::exists("/sys/fs/cgroup/" + controllers.substr(named ? 5 : 0))) continue;
    return false;
  }
  return true;
}

std::string cgroup_directory_of(pid_t pid, const std::string& controller) {
  std::istringstream lines(base::read_file("/proc/" + std::to_string(pid) + "/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (on_cgroup_v2() && controllers == ",,") return "/sys/fs/cgroup" + line.substr(second + 1);
    if (!on_cgroup_v2() && controllers.find("," + controller + ",") != std::string::npos) {
      return "/sys/fs/cgroup/" + controller + line.substr(second + 1);
    }
  }
  throw std::runtime_error("no cgroup of " + controller);
}

std::string limit_of(pid_t pid, const std::string& controller, const std::string& file) {
  try {
    auto text = base::read_file(cgroup_directory_of(pid, controller) + "/" + file);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  } catch (const base::SystemError& error) {
    if (error.code() != ENOENT) throw;
    return "no " + file;
  }
}

}  // namespace berth::test
