#include "rootfs/mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "process/namespaces.h"
#include "rootfs/cgroup_mount.h"
#include "rootfs/copy_tree.h"
#include "rootfs/mount_api.h"
#include "rootfs/mount_by_path.h"
#include "rootfs/mount_target.h"
#include "rootfs/paths.h"

namespace berth::runtime {

namespace {

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

/// The user namespace whose maps a mount without maps of its own takes.
base::Fd user_namespace_for(const oci::Config& config, const oci::Mount& mount) {
  if (!mount.uid_mappings.empty()) return make_user_namespace(mount.uid_mappings, mount.gid_mappings);
  const auto* container = config.linux_.find(oci::NamespaceType::kUser);
  if (container != nullptr && !container->path.empty()) return base::open_file(container->path, O_RDONLY);
  return make_user_namespace(config.linux_.uid_mappings, config.linux_.gid_mappings);
}

/// "rro,rnosuid": those options of a mount that concern the whole tree.
std::string recursive_options(const oci::Mount& mount) {
  std::string names;
  for (const auto& option : mount.options) {
    const bool recursive = option.starts_with('r') && AttributeChange().add(std::string_view(option).substr(1));
    if (recursive) names += (names.empty() ? "" : ",") + option;
  }
  return names;
}

/// A tmpfs without a mode has that of the directory it hides. Where there was none, it has the file system's own
/// default: everybody may write there.
void add_mode_of(const base::Fd& hidden, std::vector<std::string>& data) {
  const auto is_mode = [](const std::string& option) { return option.starts_with("mode="); };
  if (!hidden || std::any_of(data.begin(), data.end(), is_mode)) return;
  struct stat info {};
  base::check(::fstat(hidden.get(), &info), "stat");
  char mode[16];
  std::snprintf(mode, sizeof mode, "mode=%o", info.st_mode & 07777U);
  data.emplace_back(mode);
}

void apply_to_tree(const base::Fd& mount, const AttributeChange& change, const oci::Mount& configured) {
  if (!change.any()) return;
  try {
    set_attributes(mount, change.set, change.clear, true);
  } catch (const base::SystemError& error) {
    throw base::SystemError("set " + recursive_options(configured) + " on the mounted tree", error.code());
  }
}

/// The kernel's own views are labelled by the policy alone.
bool takes_context(const std::string& type) {
  return type != "proc" && type != "sysfs" && type != "mqueue";
}

}  // namespace

bool dev_is_bound(const oci::Config& config) {
  return std::any_of(config.mounts.begin(), config.mounts.end(), [](const oci::Mount& mount) {
    return clean_path(mount.destination) == "/dev" &&
           MountOptions::parse(mount.options, mount.destination, mount.type).bind;
  });
}

bool Mounts::is_filled_later(const oci::Mount& mount) {
  return mount.type == "tmpfs" || clean_path(mount.destination) == "/dev";
}

Mounts::Mounts(const oci::Config& config, std::map<std::string, std::string> cgroups)
    : config_(config),
      cgroups_(std::move(cgroups)),
      own_cgroup_namespace_(config.linux_.has(oci::NamespaceType::kCgroup)) {
  propagation_flags(config.linux_.rootfs_propagation);
  for (const auto& mount : config.mounts) {
    Entry entry{&mount, MountOptions::parse(mount.options, mount.destination, mount.type), {}};
    try {
      check_destination(mount);
      if (entry.options.bind && !entry.options.remount) prepare_bind(entry);
    } catch (const std::exception& error) {
      throw mount_error(mount, error.what());
    }
    entries_.push_back(std::move(entry));
  }
}

void Mounts::prepare_bind(Entry& entry) const {
  const oci::Mount& mount = *entry.mount;
  const bool maps_ids = entry.options.map_ids || !mount.uid_mappings.empty();
  try {
    entry.source = clone_mount(mount.source, entry.options.recursive_bind);
  } catch (const base::SystemError& error) {
    // Whoever has no right to mount gets it in a user namespace: the child opens what its user can reach.
    if (error.code() != EPERM || maps_ids || !config_.linux_.makes(oci::NamespaceType::kUser)) throw;
  }
  if (!maps_ids) return;
  try {
    map_ids(entry.source, user_namespace_for(config_, mount), entry.options.map_tree);
  } catch (const base::SystemError& error) {
    if (error.code() != EINVAL) throw;
    throw std::runtime_error(std::string(error.what()) +
                             " (a file system there does not support it, or the mappings are not valid)");
  }
}

base::Fd Mounts::make_root() const {
  // Whatever the container's root will be, its mounts must not leak to the host; and pivot_root wants no shared parent.
  const uint64_t propagation = propagation_flags(config_.linux_.rootfs_propagation);
  const uint64_t around = (propagation & (MS_SHARED | MS_SLAVE)) != 0 ? MS_SLAVE : MS_PRIVATE;
  base::check(::mount(nullptr, "/", nullptr, around | MS_REC, nullptr), "set the propagation of /");
  const std::string& path = config_.root->path;
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
  const std::string& type = entry.mount->type;
  if (entry.options.remount) {
    remount(root, entry);
  } else if (entry.options.bind) {
    bind(root, entry);
  } else if (type == "cgroup" || type == "cgroup2") {
    // A new mount namespace is a copy of the one in which we were started.
    const bool is_copy = config_.linux_.makes(oci::NamespaceType::kMount);
    mount_cgroups(is_copy ? CgroupLayout::of_host() : CgroupLayout::detect(), open_target(root, *entry.mount, {}),
                  entry.options, cgroups_, own_cgroup_namespace_);
    if (entry.options.propagation.empty() && !entry.options.recursive.any()) return;
    const base::Fd mounted = open_in_root(root, clean_path(entry.mount->destination));
    for (const uint64_t flags : entry.options.propagation) set_propagation(mounted, flags);
    apply_to_tree(mounted, entry.options.recursive, *entry.mount);
  } else {
    mount_file_system(root, entry);
  }
}

void Mounts::bind(const base::Fd& root, Entry& entry) const {
  if (!entry.source) entry.source = clone_mount(entry.mount->source, entry.options.recursive_bind);
  const base::Fd target = open_target(root, *entry.mount, entry.source);
  const MountOptions& options = entry.options;
  const bool in_user_namespace = config_.linux_.has(oci::NamespaceType::kUser);
  const uint64_t around = propagation_flags(config_.linux_.rootfs_propagation);
  // The parent's copy is still a peer of the host's mount. As a slave it goes on receiving, for those who ask for that.
  if ((around & MS_SHARED) == 0) set_propagation(entry.source, MS_SLAVE | MS_REC);
  if (options.propagation.empty() && (around & (MS_SHARED | MS_SLAVE)) == 0) {
    set_propagation(entry.source, MS_PRIVATE | MS_REC);
  }
  if (options.attributes.any() || !options.superblock.empty()) {
    replace_attributes(entry.source, options.attributes, in_user_namespace);
  }
  apply_to_tree(entry.source, options.recursive, *entry.mount);
  attach(entry.source, target);
  require_mounted_at(root, *entry.mount, entry.source);
  for (const uint64_t flags : options.propagation) set_propagation(entry.source, flags);
}

void Mounts::mount_file_system(const base::Fd& root, Entry& entry) {
  const oci::Mount& configured = *entry.mount;
  MountOptions& options = entry.options;
  auto data = options.data;
  base::Fd hidden;
  if (configured.type == "tmpfs") {
    hidden = try_open_in_root(root, clean_path(configured.destination));
    add_mode_of(hidden, data);
  }
  const base::Fd target = open_target(root, configured, {});
  const std::string& label = config_.linux_.mount_label;
  if (!label.empty() && takes_context(configured.type)) data.push_back("context=" + label);
  const bool wait = options.attributes.read_only() && is_filled_later(configured);
  const uint64_t attributes = options.attributes.set & (wait ? ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY) : ~0ULL);
  // A disk that is read-only can only be mounted by a superblock that is.
  if (options.attributes.read_only() && !wait) options.superblock.emplace_back("ro");
  base::Fd mount;
  try {
    mount = needs_mount_by_path(configured.source, data)
                ? make_mount_by_path(target, configured.type, configured.source, options.superblock, data, attributes)
                : make_mount(configured.type, configured.source, options.superblock, data, attributes);
  } catch (const base::SystemError& error) {
    // sysfs belongs to the owner of the network namespace; a container without one of its own gets the host's, and
    // what is mounted there, under the same restrictions (CVE-2023-25809).
    if (configured.type != "sysfs" || error.code() != EPERM) throw;
    mount = clone_mount("/sys", true);
    set_attributes(mount, attributes, 0, true);
  }
  // Message queues are one file system of the whole ipc namespace: it is not mounted with a context, but labelled.
  if (!label.empty() && configured.type == "mqueue") {
    base::check(::setxattr(mount.proc_path().c_str(), "security.selinux", label.data(), label.size(), 0),
                "set the SELinux label of", configured.destination);
  }
  if (options.copy_up && hidden) copy_tree(target, mount);
  attach(mount, target);
  require_mounted_at(root, configured, mount);
  for (const uint64_t flags : options.propagation) set_propagation(mount, flags);
  apply_to_tree(mount, options.recursive, configured);
  if (configured.type == "proc" || configured.type == "sysfs") {
    kernel_views_[clean_path(configured.destination)] = mount.duplicate();
  }
  if (wait) read_only_later_.push_back(std::move(mount));
}

base::Fd Mounts::try_open(const base::Fd& root, const std::string& path) const {
  const std::string clean = clean_path(path);
  for (const auto& [destination, mount] : kernel_views_) {
    if (clean.starts_with(destination + "/")) return try_open_in_root(mount, clean.substr(destination.size()));
  }
  return try_open_in_root(root, clean);
}

void Mounts::remount(const base::Fd& root, Entry& entry) {
  const MountOptions& options = entry.options;
  base::Fd mounted = open_in_root(root, clean_path(entry.mount->destination));
  auto now = options.attributes;
  const bool wait = now.read_only() && is_filled_later(*entry.mount);
  if (wait) now.set &= ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY);
  auto superblock = options.superblock;
  if (now.read_only()) superblock.emplace_back("ro");
  if (!options.bind && (!superblock.empty() || !options.data.empty())) reconfigure(mounted, superblock, options.data);
  // The kernel refuses this (EINVAL) where nothing is mounted.
  replace_attributes(mounted, now, config_.linux_.has(oci::NamespaceType::kUser));
  apply_to_tree(mounted, options.recursive, *entry.mount);
  for (const uint64_t flags : options.propagation) set_propagation(mounted, flags);
  if (wait) read_only_later_.push_back(std::move(mounted));
}

void Mounts::finish_propagation(const base::Fd& root) const {
  if (config_.linux_.rootfs_propagation.empty()) return;
  // What is mounted below has been given its own already.
  set_propagation(root, propagation_flags(config_.linux_.rootfs_propagation) & ~static_cast<uint64_t>(MS_REC));
}

void Mounts::finish_read_only() const {
  for (const auto& mount : read_only_later_) make_read_only(mount);
}

}  // namespace berth::runtime
