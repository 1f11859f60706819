#pragma once

#include <chrono>
#include <optional>

#include "bandwidth/shape.h"
#include "cni/request.h"

namespace berth::bandwidth {

/// The bandwidth plugin's keys, checked. Directions are the container's.
struct Config {
  std::optional<Limit> ingress;  ///< ingressRate, ingressBurst: what it receives. Unset: not limited.
  std::optional<Limit> egress;   ///< egressRate, egressBurst: what it sends.
  std::chrono::milliseconds latency{25};

  bool limits_nothing() const { return !ingress && !egress; }

  /// The four keys at the top level, or, if none of them is there, those of runtimeConfig.bandwidth; 0 is as good as
  /// absent. `latency` is at the top level alone. Throws cni::Error or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);
};

}  // namespace berth::bandwidth
