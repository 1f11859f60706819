#pragma once

#include <string>
#include <vector>

#include "dbus/value.h"
#include "oci/config.h"

namespace berth::runtime {

/// DevicePolicy and DeviceAllow of a unit for rules of which the last match decides (complete_device_rules); none for
/// no rules. systemd's are a list of what is allowed: where that cannot say it exactly, it allows more, and the
/// cgroup's own rules, which count as well, less. `proc_devices`: the text of /proc/devices.
dbus::Properties device_properties(const std::vector<oci::DeviceRule>& rules, const std::string& proc_devices);

}  // namespace berth::runtime
