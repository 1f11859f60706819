#pragma once

#include <cstdint>
#include <string>

#include "cni/request.h"

namespace berth::vrf {

/// The vrf plugin's keys, checked.
struct Config {
  std::string name;    ///< vrfname: of the VRF's link in the container.
  uint32_t table = 0;  ///< 0: the VRF's own if it exists, else a free one.

  /// Throws cni::Error or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);
};

}  // namespace berth::vrf
