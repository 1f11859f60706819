#pragma once

#include <optional>

#include "cni/plugin/firewall/masquerade.h"
#include "cni/request.h"
#include "cni/result.h"

namespace berth::ptp {

/// The configuration of one point-to-point attachment; the keys are those of the reference ptp plugin.
struct Config {
  unsigned mtu = 0;                  ///< 0: the kernel's default.
  cni::MasqueradeConfig masquerade;  ///< ipMasq, ipMasqBackend
  std::optional<cni::Dns> dns;       ///< Replaces IPAM's.

  /// Reads and validates the configuration of ADD, CHECK or STATUS. Throws cni::Error or base::JsonError naming key and
  /// value; there must be an IPAM plugin.
  static Config parse(const cni::Request& request);
};

}  // namespace berth::ptp
