#pragma once

#include <string>
#include <vector>

namespace berth::runtime {

/// Descriptors of our caller from 3 on that a process gets beside its standard streams (oci-runtime.md 3.3): first
/// those of socket activation (sd_listen_fds(3)), then the ones of `--preserve-fds`.
struct InheritedFds {
  int activated = 0;
  int preserved = 0;

  /// Takes LISTEN_FDS from our environment if LISTEN_PID says that it is meant for us. Throws std::runtime_error if
  /// one of the descriptors is not open.
  static InheritedFds of_caller(int preserved, bool with_activated);

  /// The first descriptor that the process does not get.
  int end() const { return 3 + activated + preserved; }
  /// LISTEN_FDS and LISTEN_PID for the calling process, as it is called in its pid namespace; none without activation.
  std::vector<std::string> environment() const;
};

}  // namespace berth::runtime
