#pragma once

#include <functional>
#include <string>
#include <vector>

#include "oci/config.h"

namespace berth::runtime {

/// The rules of a container's devices cgroup in order, the last match deciding: the configuration's, then what every
/// container needs (mknod of anything, the default devices, terminals, tun; oci-runtime.md 2.5). Nothing else is
/// allowed, with rules or without.
std::vector<oci::DeviceRule> complete_device_rules(const std::vector<oci::DeviceRule>& configured);

/// Applies rules, and leaves it where that is refused to whoever has no rights on the host, and so cannot make devices
/// either; or fails for any reason, if the configuration has no rules.
void try_device_rules(const std::vector<oci::DeviceRule>& configured, const std::function<void()>& apply);

/// "c 1:3 rwm", as the v1 files take it.
std::string to_v1_text(const oci::DeviceRule& rule);

}  // namespace berth::runtime
