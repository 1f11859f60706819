#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "cni/client/client.h"
#include "oci/network_annotations.h"

namespace berth::cni_hook {

/// Where things are, and how long they may take (docs/hooks.md, "Settings").
struct Settings {
  std::string net_dir;
  std::vector<std::string> plugin_directories;
  std::string cache_directory = "/var/lib/cni";
  std::chrono::milliseconds timeout{0};  ///< For all the hook does.

  /// From annotations, else the environment, else the defaults. Throws std::invalid_argument naming a bad variable.
  static Settings of(const oci::NetworkSetup& setup);
};

/// The time the hook has. A part of it is kept back, so that a failed ADD can be undone.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds timeout)
      : end_(std::chrono::steady_clock::now() + timeout), undo_(timeout / 3) {}

  /// What is left for making attachments; at least a millisecond.
  std::chrono::milliseconds left_to_attach() const { return left(end_ - undo_); }
  /// What is left for removing them; at least a second, since going on is better than leaking.
  std::chrono::milliseconds left_to_detach() const { return std::max(left(end_), std::chrono::milliseconds(1000)); }

 private:
  static std::chrono::milliseconds left(std::chrono::steady_clock::time_point end);

  std::chrono::steady_clock::time_point end_;
  std::chrono::milliseconds undo_;
};

/// A client that must be done after `timeout`. Its plugins get an environment built from scratch.
cni::Client client_for(const Settings& settings, std::chrono::milliseconds timeout);

}  // namespace berth::cni_hook
