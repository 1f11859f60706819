#pragma once

#include <string>

#include "cni/request.h"
#include "record.h"

namespace berth::dhcp {

/// What ADD needs of a configuration.
struct Config {
  std::string socket_path;
  Wishes wishes;

  /// Throws cni::Error(kInvalidNetworkConfig) or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);
};

/// ipam.daemonSocketPath alone: what the other commands need, whatever else is wrong with the configuration.
std::string socket_path_of(const cni::Request& request);

}  // namespace berth::dhcp
