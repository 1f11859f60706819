#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rootfs/mount_attributes.h"

namespace berth::runtime {

/// The options of one mount (runtime-spec "mounts"), sorted by what the kernel does with them.
struct MountOptions {
  AttributeChange attributes;  ///< "ro", "nosuid", …
  AttributeChange recursive;   ///< "rro", "rnosuid", …: of the whole tree below the mount.
  bool bind = false;
  bool recursive_bind = false;
  bool remount = false;                 ///< Changes what is mounted there instead of mounting anything.
  bool map_ids = false;                 ///< "idmap"
  bool map_tree = false;                ///< "ridmap": with everything mounted below.
  bool copy_up = false;                 ///< "tmpcopyup"
  std::vector<uint64_t> propagation;    ///< MS_SHARED, …, with MS_REC; applied in order.
  std::vector<std::string> superblock;  ///< Flags of the file system itself: "sync", "lazytime", …
  std::vector<std::string> data;        ///< For the file system: "mode=755", "newinstance".

  /// Throws std::runtime_error for options that contradict the kind of mount: data on a bind mount, id mapping on any
  /// other.
  static MountOptions parse(const std::vector<std::string>& options, const std::string& destination,
                            const std::string& type = {});
};

/// Options that have a meaning of their own (everything else goes to the file system as data), for `features`.
std::vector<std::string> known_mount_options();

}  // namespace berth::runtime
