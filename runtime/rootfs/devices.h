#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "oci/config.h"

namespace berth::runtime {

/// Makes the default devices, those of linux.devices, and the links that programs expect in /dev.
/// In a user namespace, where mknod is refused, the host's node is bound in place of a new one.
void make_devices(const base::Fd& root, const oci::Config& config);

/// Where it makes or binds devices of the host.
std::vector<std::string> device_paths(const oci::Config& config);

}  // namespace berth::runtime
