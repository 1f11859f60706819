#pragma once

#include <string>

#include "oci/config.h"

namespace berth::runtime::criu {

/// A directory for what CRIU needs during a restore: places on the host on which, in CRIU's own mount namespace, things
/// are mounted. Removed at destruction.
class RootPlaces {
 public:
  /// In the state directory of the container. Throws SystemError.
  explicit RootPlaces(const std::string& state_directory);
  ~RootPlaces();
  RootPlaces(const RootPlaces&) = delete;
  RootPlaces& operator=(const RootPlaces&) = delete;

  /// The container's root file system.
  std::string root() const { return directory_ + "/root"; }
  /// The source of the bind mount mounts[N] of the configuration is SOURCES/N.
  std::string sources() const { return directory_ + "/sources"; }
  /// What covers masked files.
  std::string null_device() const { return directory_ + "/null"; }

  /// Makes them once more, for everybody to reach, on a file system that covers all state directories: the root of a
  /// user namespace has no access to those.
  void make_reachable() const;

 private:
  void make() const;

  std::string all_states_;
  std::string directory_;
};

/// For the process that becomes CRIU, in a mount namespace of its own: mounts all of `places`.
///
/// The root is a mount as CRIU wants it, in which every place is there that the configuration mounts something on: CRIU
/// mounts, but does not make the places, which are no part of its images unless they are on a tmpfs.
///
/// Sources have the attributes of the mounts to be, "ro" above all: where something is mounted twice, CRIU 3.17 takes
/// it for granted that the second has the attributes that it gave to the first.
///
/// Nothing of it is mounted on the host. Throws SystemError.
void prepare_root(const oci::Config& config, const RootPlaces& places);

}  // namespace berth::runtime::criu
