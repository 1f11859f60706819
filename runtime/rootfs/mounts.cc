#include "rootfs/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "rootfs/cgroup_mount.h"
#include "rootfs/mount_api.h"
#include "rootfs/paths.h"

namespace berth::runtime {

namespace {

/// What may be mounted below /proc: files that others replace to show a container's own limits (oci-runtime.md 2.4).
constexpr const char* kAllowedBelowProc[] = {"/proc/cpuinfo",
                                             "/proc/diskstats",
                                             "/proc/meminfo",
                                             "/proc/stat",
                                             "/proc/swaps",
                                             "/proc/uptime",
                                             "/proc/loadavg",
                                             "/proc/slabinfo",
                                             "/proc/sys/kernel/ns_last_pid",
                                             "/proc/sys/crypto/fips_enabled"};

bool is_procfs(const base::Fd& fd) {
  struct statfs info {};
  base::check(::fstatfs(fd.get(), &info), "find the file system type");
  return info.f_type == PROC_SUPER_MAGIC;
}

struct stat status_of(const base::Fd& fd) {
  struct stat info {};
  base::check(::fstat(fd.get(), &info), "stat");
  return info;
}

std::runtime_error mount_error(const oci::Mount& mount, const std::string& why) {
  return std::runtime_error("error mounting \"" + mount.source + "\" to rootfs at \"" + mount.destination +
                            "\": mount src=" + mount.source + ", dst=" + mount.destination + ": " + why);
}

uint64_t propagation_flags(const std::string& name) {
  if (name.empty()) return MS_SLAVE | MS_REC;
  const auto options = MountOptions::parse({name}, "/");
  if (options.propagation.size() != 1)
    throw std::runtime_error("linux.rootfsPropagation: unknown value \"" + name + "\"");
  return options.propagation.front();
}

/// pivot_root refuses a root whose parent mount is shared. Finds that mount by going up from the root file system.
void make_parent_mount_private(std::string path) {
  for (;;) {
    if (::mount(nullptr, path.c_str(), nullptr, MS_PRIVATE, nullptr) == 0) return;
    if (errno != EINVAL || path == "/") base::throw_errno("make the mount at " + path + " private");
    path = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
  }
}

/// The kernel's own views are labelled by the policy alone.
bool takes_context(const std::string& type) {
  return type != "proc" && type != "sysfs" && type != "mqueue";
}

}  // namespace

bool dev_is_bound(const oci::Config& config) {
  return std::any_of(config.mounts.begin(), config.mounts.end(), [](const oci::Mount& mount) {
    return clean_path(mount.destination) == "/dev" && MountOptions::parse(mount.options, mount.destination).bind;
  });
}

Mounts::Mounts(const oci::Config& config, std::map<std::string, std::string> cgroups)
    : config_(config),
      cgroups_(std::move(cgroups)),
      own_cgroup_namespace_(config.linux_.find(oci::NamespaceType::kCgroup) != nullptr) {
  for (const auto& mount : config.mounts) {
    Entry entry{&mount, MountOptions::parse(mount.options, mount.destination), {}, true};
    if (mount.type == "bind") entry.options.bind = true;
    if (clean_path(mount.destination) == "/") throw mount_error(mount, "the destination must not be /");
    if (entry.options.bind) {
      try {
        entry.source = clone_mount(mount.source, entry.options.recursive_bind);
      } catch (const std::exception& error) {
        throw mount_error(mount, error.what());
      }
      entry.source_is_directory = S_ISDIR(status_of(entry.source).st_mode);
    }
    entries_.push_back(std::move(entry));
  }
}

base::Fd Mounts::make_root() const {
  const uint64_t propagation = propagation_flags(config_.linux_.rootfs_propagation);
  // Whatever the container's root will be, the mounts around it must not leak to the host.
  const uint64_t around = (propagation & (MS_SHARED | MS_SLAVE)) != 0 ? MS_SLAVE | MS_REC : MS_PRIVATE | MS_REC;
  base::check(::mount(nullptr, "/", nullptr, around, nullptr), "set the propagation of /");
  const std::string& path = config_.root->path;
  make_parent_mount_private(path);
  base::Fd root = clone_mount(path, true);
  attach(root, base::open_file(path, O_PATH | O_DIRECTORY));
  return root;
}

void Mounts::mount_all(const base::Fd& root) {
  for (auto& entry : entries_) {
    try {
      mount_one(root, entry);
    } catch (const std::exception& error) {
      throw mount_error(*entry.mount, error.what());
    }
  }
}

void Mounts::mount_one(const base::Fd& root, Entry& entry) {
  if (entry.options.bind) {
    bind(root, entry);
  } else if (entry.mount->type == "cgroup" || entry.mount->type == "cgroup2") {
    mount_cgroups(make_directories_in_root(root, entry.mount->destination, 0755), entry.options, cgroups_,
                  own_cgroup_namespace_);
  } else {
    mount_file_system(root, entry);
  }
}

base::Fd Mounts::target_of(const base::Fd& root, const Entry& entry) const {
  const std::string destination = clean_path(entry.mount->destination);
  const std::string& type = entry.mount->type;
  const bool strict = !entry.options.bind && (type == "proc" || type == "sysfs");
  base::Fd target = entry.source_is_directory ? make_directories_in_root(root, destination, 0755)
                                              : make_file_in_root(root, destination);
  // A symbolic link in an image must not lead proc or sysfs elsewhere (CVE-2019-19921, CVE-2023-28642).
  if (strict) target = open_without_symlinks(root, destination, O_DIRECTORY | O_NOFOLLOW);
  // The kernel's word on where this is, whatever links led here.
  const bool allowed =
      std::find(std::begin(kAllowedBelowProc), std::end(kAllowedBelowProc), destination) != std::end(kAllowedBelowProc);
  if (is_procfs(target) && !allowed && destination != "/proc") {
    throw std::runtime_error("\"" + destination + "\" cannot be mounted because it is inside /proc");
  }
  const bool is_proc = !entry.options.bind && type == "proc";
  if (destination == "/proc" && !is_proc && !(entry.options.bind && is_procfs(entry.source))) {
    throw std::runtime_error("\"/proc\" can only be a proc file system");
  }
  return target;
}

void Mounts::bind(const base::Fd& root, Entry& entry) {
  const base::Fd target = target_of(root, entry);
  const auto propagation = propagation_flags(config_.linux_.rootfs_propagation);
  // The parent's copy is still a peer of the host's mount.
  if ((propagation & MS_SHARED) == 0) set_propagation(entry.source, propagation | MS_REC);
  set_attributes(entry.source, entry.options.set, entry.options.clear);
  attach(entry.source, target);
  for (const uint64_t flags : entry.options.propagation) set_propagation(entry.source, flags);
}

void Mounts::mount_file_system(const base::Fd& root, Entry& entry) {
  const base::Fd target = target_of(root, entry);
  const std::string& type = entry.mount->type;
  MountOptions& options = entry.options;
  auto data = options.data;
  const auto has_mode = [](const std::string& option) { return option.rfind("mode=", 0) == 0; };
  if (type == "tmpfs" && std::none_of(data.begin(), data.end(), has_mode)) {
    char mode[16];
    std::snprintf(mode, sizeof mode, "mode=%o", status_of(target).st_mode & 07777U);
    data.emplace_back(mode);
  }
  const std::string& label = config_.linux_.mount_label;
  if (!label.empty() && takes_context(type)) data.push_back("context=" + label);
  // Mount points and devices are still to be made in these.
  const bool wait =
      (options.set & MOUNT_ATTR_RDONLY) != 0 && (type == "tmpfs" || clean_path(entry.mount->destination) == "/dev");
  const uint64_t attributes = wait ? options.set & ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY) : options.set;
  base::Fd mount;
  try {
    mount = make_mount(type, entry.mount->source, options.superblock, data, attributes);
  } catch (const base::SystemError& error) {
    // sysfs belongs to the owner of the network namespace; a container without one of its own gets the host's.
    if (type != "sysfs" || error.code() != EPERM) throw;
    mount = clone_mount("/sys", true);
    set_attributes(mount, attributes, options.clear);
  }
  // Message queues are one file system of the whole ipc namespace: it is not mounted with a context, but labelled.
  if (!label.empty() && type == "mqueue") {
    base::check(::setxattr(mount.proc_path().c_str(), "security.selinux", label.data(), label.size(), 0),
                "set the SELinux label of", entry.mount->destination);
  }
  attach(mount, target);
  for (const uint64_t flags : options.propagation) set_propagation(mount, flags);
  if (wait) read_only_later_.push_back(std::move(mount));
}

void Mounts::finish_read_only() const {
  for (const auto& mount : read_only_later_) set_attributes(mount, MOUNT_ATTR_RDONLY, 0);
}

}  // namespace berth::runtime
