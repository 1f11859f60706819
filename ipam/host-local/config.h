#pragma once

#include <string>
#include <vector>

#include "cni/request.h"
#include "range.h"
#include "store.h"

namespace berth::host_local {

/// What ADD and STATUS need of a configuration.
struct Config {
  std::string directory;  ///< dataDir with the network's name.
  std::vector<RangeSet> sets;
  std::vector<net::IpAddress> requested;
  std::vector<cni::Route> routes;
  cni::Dns dns;

  /// Throws cni::Error(kInvalidNetworkConfig or kInvalidEnvironment) or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);
};

/// The network's directory alone: what DEL, CHECK and GC need, whatever else is wrong with the configuration.
std::string directory_of(const cni::Request& request);

/// The attachment a request is about.
Owner owner_of(const cni::Request& request);

}  // namespace berth::host_local
