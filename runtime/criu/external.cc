#include "criu/external.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/error.h"
#include "cgroups/layout.h"
#include "rootfs/devices.h"
#include "rootfs/mount_options.h"
#include "rootfs/paths.h"

namespace berth::runtime::criu {

namespace {

std::string path_of(const base::Fd& fd) {
  std::array<char, PATH_MAX> path;
  const auto size =
      base::check(::readlink(fd.proc_path().c_str(), path.data(), path.size()), "find the path of a mount");
  return {path.data(), static_cast<size_t>(size)};
}

/// Where a path of the container leads in the end.
std::string resolve(const base::Fd& root, const std::string& path) {
  const std::string clean = clean_path(path);
  const base::Fd place = try_open_in_root(root, clean);
  if (!place) return clean;
  const std::string top = path_of(root);
  const std::string found = path_of(place);
  return top == "/" ? found : found.substr(top.size());
}

/// A container without a cgroup namespace sees a part of the host's hierarchies, bound.
void add_cgroups(std::vector<ExternalMount>& mounts, const std::string& place,
                 const std::map<std::string, std::string>& cgroups) {
  const CgroupLayout layout = CgroupLayout::detect();
  if (layout.unified) {
    mounts.push_back({place, cgroups.empty() ? layout.unified_mount_point : cgroups.begin()->second});
    return;
  }
  for (const auto& hierarchy : layout.hierarchies) {
    const auto own = cgroups.find(hierarchy.controllers.front());
    const auto name = hierarchy.mount_point.substr(hierarchy.mount_point.rfind('/'));
    if (own != cgroups.end()) mounts.push_back({place + name, own->second});
  }
}

}  // namespace

std::vector<ExternalMount> external_mounts(const oci::Config& config, const std::map<std::string, std::string>& cgroups,
                                           const base::Fd& root, const std::string& sources) {
  std::vector<ExternalMount> mounts;
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    const oci::Mount& mount = config.mounts[i];
    const auto options = MountOptions::parse(mount.options, mount.destination, mount.type);
    if (options.remount) continue;
    if (options.bind) {
      mounts.push_back(
          {resolve(root, mount.destination), sources.empty() ? mount.source : sources + "/" + std::to_string(i)});
    } else if (mount.type.starts_with("cgroup") && !config.linux_.has(oci::NamespaceType::kCgroup)) {
      add_cgroups(mounts, clean_path(mount.destination), cgroups);
    }
  }
  for (const auto& path : device_paths(config)) mounts.push_back({path, path});
  return mounts;
}

std::vector<std::string> masked_files(const oci::Config& config, const base::Fd& root) {
  std::vector<std::string> files;
  for (const auto& path : config.linux_.masked_paths) {
    const base::Fd masked = try_open_in_root(root, clean_path(path));
    if (masked && !is_directory(masked)) files.push_back(resolve(root, path));
  }
  return files;
}

std::string external_mount(const std::string& key, const std::string& value) {
  return "mnt[" + key + "]:" + value;
}

std::string external_namespace(oci::NamespaceType type) {
  if (type == oci::NamespaceType::kNetwork) return "extRootNetNS";
  return type == oci::NamespaceType::kPid ? "extRootPidNS" : "";
}

}  // namespace berth::runtime::criu
