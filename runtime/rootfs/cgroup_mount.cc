#include "rootfs/cgroup_mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "rootfs/mount_api.h"

namespace berth::runtime {

namespace {

uint64_t attributes_of(const MountOptions& options) {
  return options.attributes.set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
}

/// A directory of the hierarchy, for when the kernel does not let us mount the hierarchy itself.
base::Fd clone_directory(const std::string& directory, uint64_t attributes) {
  base::Fd tree = clone_mount(directory, true);
  set_attributes(tree, attributes, 0, true);
  return tree;
}

void mount_unified(const std::string& mount_point, const base::Fd& target, const MountOptions& options,
                   const std::map<std::string, std::string>& cgroups, bool own_namespace) {
  if (own_namespace) {
    try {
      return attach(make_mount("cgroup2", "cgroup", {}, options.data, attributes_of(options)), target);
    } catch (const base::SystemError& error) {
      if (error.code() != EPERM && error.code() != EBUSY) throw;
    }
  }
  // Without a cgroup of its own the container may look at the host's, not change them (CVE-2023-25809).
  if (cgroups.empty()) {
    const uint64_t attributes = attributes_of(options) | MOUNT_ATTR_RDONLY;
    return attach(clone_directory(mount_point, attributes), target);
  }
  attach(clone_directory(cgroups.begin()->second, attributes_of(options)), target);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

void mount_hierarchy(const base::Fd& directory, const Hierarchy& hierarchy,
                     const std::map<std::string, std::string>& cgroups, bool own_namespace, uint64_t attributes) {
  const std::string name = hierarchy.mount_point.substr(hierarchy.mount_point.rfind('/') + 1);
  if (::mkdirat(directory.get(), name.c_str(), 0755) != 0 && errno != EEXIST) base::throw_errno("mkdir " + name);
  if (own_namespace) {
    // With a cgroup namespace a fresh mount shows the container's own subtree as its root.
    const bool named = hierarchy.controllers.front().rfind("name=", 0) == 0;
    std::vector<std::string> data = hierarchy.controllers;
    if (named) data.insert(data.begin(), "none");
    attach(make_mount("cgroup", "cgroup", {}, data, attributes), directory, name);
  } else if (const auto own = cgroups.find(hierarchy.controllers.front()); own != cgroups.end()) {
    attach(clone_directory(own->second, attributes), directory, name);
  }
  if (hierarchy.controllers.size() < 2) return;
  for (const auto& controller : hierarchy.controllers) {
    if (controller == name) continue;
    if (::symlinkat(name.c_str(), directory.get(), controller.c_str()) != 0 && errno != EEXIST) {
      base::throw_errno("symlink " + controller + " to " + joined(hierarchy.controllers));
    }
  }
}

}  // namespace

void mount_cgroups(const CgroupLayout& layout, const base::Fd& target, const MountOptions& options,
                   const std::map<std::string, std::string>& cgroups, bool own_cgroup_namespace) {
  if (layout.unified) {
    return mount_unified(layout.unified_mount_point, target, options, cgroups, own_cgroup_namespace);
  }
  const base::Fd directory = make_mount("tmpfs", "tmpfs", {}, {"mode=755"},
                                        attributes_of(options) & ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY));
  attach(directory, target);
  for (const auto& hierarchy : layout.hierarchies) {
    mount_hierarchy(directory, hierarchy, cgroups, own_cgroup_namespace, attributes_of(options));
  }
  set_attributes(directory, options.attributes.set & MOUNT_ATTR_RDONLY, 0);
}

}  // namespace berth::runtime
