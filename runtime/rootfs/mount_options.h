#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace berth::runtime {

/// The options of one mount (runtime-spec "mounts"), sorted by what the kernel does with them.
struct MountOptions {
  uint64_t set = 0;    ///< MOUNT_ATTR_* to set.
  uint64_t clear = 0;  ///< MOUNT_ATTR_* that were asked to be off.
  bool bind = false;
  bool recursive_bind = false;
  std::vector<uint64_t> propagation;    ///< MS_SHARED, …, with MS_REC; applied in order.
  std::vector<std::string> superblock;  ///< Flags of the file system itself: "sync", "lazytime", …
  std::vector<std::string> data;        ///< For the file system: "mode=755", "newinstance".

  /// Throws std::runtime_error for data options on a bind mount.
  static MountOptions parse(const std::vector<std::string>& options, const std::string& destination);
};

/// Options that have a meaning of their own (everything else goes to the file system as data), for `features`.
std::vector<std::string> known_mount_options();

}  // namespace berth::runtime
