#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dbus/value.h"
#include "oci/config.h"

/// A container's limits as systemd's units have them (systemd.resource-control(5), oci-runtime.md 2.6). systemd has
/// fewer than the kernel: the files of the cgroup are written besides.
namespace berth::runtime {

/// Of a unit on cgroup v2; `version` is systemd's ("252"): what it does not know yet is left out. Throws
/// std::runtime_error naming the key.
dbus::Properties v2_limit_properties(const oci::Resources& resources, int version);
/// The same on cgroup v1.
dbus::Properties v1_limit_properties(const oci::Resources& resources, int version);

/// systemd counts a CPU quota in steps of 10 ms for each second: quotas are rounded up to that, so that the kernel is
/// told by both what it is told by one.
oci::Resources rounded_for_systemd(oci::Resources resources);

/// A list of CPUs or memory nodes ("0-3,7") as the bytes of a bit mask, bit n in byte n / 8. Throws std::runtime_error
/// naming `key`.
std::vector<uint8_t> bit_mask(const std::string& list, const std::string& key);

}  // namespace berth::runtime
