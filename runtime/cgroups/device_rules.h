#pragma once

#include <string>
#include <vector>

#include "oci/config.h"

namespace berth::runtime {

/// The rules of a container's devices cgroup in order, the last match deciding: the configuration's, then what every
/// container needs (mknod of anything, the default devices, terminals, tun; oci-runtime.md 2.5). Empty if the
/// configuration has none.
std::vector<oci::DeviceRule> complete_device_rules(const std::vector<oci::DeviceRule>& configured);

/// "c 1:3 rwm", as the v1 files take it.
std::string to_v1_text(const oci::DeviceRule& rule);

}  // namespace berth::runtime
