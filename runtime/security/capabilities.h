#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oci/config.h"

namespace berth::runtime {

/// Capability sets of a process as the kernel takes them (capabilities(7)): one bit for each capability.
struct CapabilitySets {
  uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;

  /// An absent object means no capabilities at all. Names nobody knows are reported in `unknown`, and skipped.
  static CapabilitySets from(const std::optional<oci::Capabilities>& config, std::vector<std::string>& unknown);
};

/// Drops everything from the bounding set that is not in `sets`. Before the change of user.
void limit_bounding_set(const CapabilitySets& sets);
/// Keeps permitted capabilities over setuid.
void keep_capabilities(bool keep);
/// Sets effective, permitted and inheritable, then the ambient ones. After the change of user. What is not permitted to
/// us is left out.
void set_capabilities(const CapabilitySets& sets);

}  // namespace berth::runtime
