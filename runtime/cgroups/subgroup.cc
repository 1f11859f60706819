#include "cgroups/subgroup.h"

#include <sys/stat.h>

#include <filesystem>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cgroups/files.h"
#include "cgroups/layout.h"

namespace berth::runtime {

namespace {

std::string below(const std::string& directory, const std::string& path, const std::string& text) {
  const auto inner = std::filesystem::path(path).relative_path().lexically_normal();
  if (!inner.empty() && *inner.begin() == "..") {
    throw std::runtime_error("--cgroup " + text + ": " + path + " is not a sub cgroup path");
  }
  const std::string cleaned = cgroup_files::clean(path);
  const std::string wanted = cleaned == "/" ? directory : directory + cleaned;
  struct stat info {};
  if (::stat(wanted.c_str(), &info) != 0) {
    throw std::runtime_error("--cgroup " + text + ": " + wanted + ": " + base::errno_text(errno));
  }
  return wanted;
}

}  // namespace

std::map<std::string, std::string> subgroup_paths(const std::map<std::string, std::string>& paths,
                                                  const std::string& text) {
  if (paths.empty()) throw std::runtime_error("--cgroup " + text + ": the container has no cgroup");
  const auto colon = text.find(':');
  const std::string path = colon == std::string::npos ? text : text.substr(colon + 1);
  std::map<std::string, std::string> result = paths;
  if (colon == std::string::npos) {
    for (auto& [controller, directory] : result) directory = below(directory, path, text);
    return result;
  }
  const auto controllers = base::split(text.substr(0, colon), ',');
  if (controllers.empty()) throw std::runtime_error("--cgroup " + text + ": no controller before the colon");
  for (const auto& controller : controllers) {
    const auto found = result.find(controller);
    if (found == result.end()) {
      throw std::runtime_error("--cgroup " + text + ": the container has no cgroup controller \"" + controller + "\"");
    }
    found->second = below(paths.at(controller), path, text);
  }
  return result;
}

std::string unified_directory_of(pid_t pid) {
  const auto layout = parse_cgroup_layout(base::read_file("/proc/self/mountinfo"),
                                          base::read_file("/proc/" + std::to_string(pid) + "/cgroup"));
  return layout.unified ? layout.unified_mount_point + layout.unified_own_path : "";
}

}  // namespace berth::runtime
