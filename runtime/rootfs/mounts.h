#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "cgroups/layout.h"
#include "oci/config.h"
#include "rootfs/mount_options.h"

namespace berth::runtime {

/// The mounts of a container. Prepared by the parent with the host's rights (bind sources are opened there), performed
/// by the child in its mount namespace.
class Mounts {
 public:
  /// Parses all options and opens all bind sources. Throws with the text clients match on.
  /// `cgroups`: the container's own directory for each controller, as in the record.
  Mounts(const oci::Config& config, std::map<std::string, std::string> cgroups);

  /// Makes this mount namespace the container's, and the root file system a mount of its own. Returns it.
  base::Fd make_root() const;

  /// Performs all mounts below `root`, in the configuration's order.
  void mount_all(const base::Fd& root);

  /// linux.rootfsPropagation, once the root is the root: not before, or what is mounted in it would reach the host.
  void finish_propagation(const base::Fd& root) const;

  /// Opens a path of the container with O_PATH; empty if it is missing. What is in a proc or sysfs mount of ours is
  /// found there, even if somebody who shares the root file system has put something else in that mount's place.
  base::Fd try_open(const base::Fd& root, const std::string& path) const;

  /// Read-only where it was asked for but had to wait until everything was in place (tmpfs, /dev).
  void finish_read_only() const;

 private:
  struct Entry {
    const oci::Mount* mount;
    MountOptions options;
    base::Fd source;  ///< A detached copy, for binds; empty if the child is to make it.
  };

  void prepare_bind(Entry& entry) const;
  void mount_one(const base::Fd& root, Entry& entry);
  void bind(const base::Fd& root, Entry& entry) const;
  void mount_file_system(const base::Fd& root, Entry& entry);
  void remount(const base::Fd& root, Entry& entry);
  /// True if "ro" must wait: mount points and devices are still to be made there.
  static bool is_filled_later(const oci::Mount& mount);

  const oci::Config& config_;
  std::map<std::string, std::string> cgroups_;
  bool own_cgroup_namespace_;
  std::vector<Entry> entries_;
  std::vector<base::Fd> read_only_later_;
  std::map<std::string, base::Fd> kernel_views_;  ///< Mounts of proc and sysfs by destination.
};

/// True if the configuration brings its own /dev as a bind mount: then no device, link or console is made in it.
bool dev_is_bound(const oci::Config& config);

}  // namespace berth::runtime
