#pragma once

#include <string>
#include <vector>

#include "tuning/config.h"

namespace berth::tuning {

/// Where an administrator says which sysctls may be set: one regular expression a line (ECMAScript's syntax, which has
/// nearly all of Go's), matched anywhere in the key as the configuration spells it, before IFNAME is replaced.
inline constexpr const char* kAllowListPath = "/etc/cni/tuning/allowlist.conf";

/// Throws cni::Error unless the file is missing or every key matches a line of it: kInvalidNetworkConfig for a key that
/// is not allowed, kInternal for a line that is no regular expression.
void require_allowed(const std::vector<Sysctl>& sysctls);

}  // namespace berth::tuning
