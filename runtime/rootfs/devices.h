#pragma once

#include "base/fd.h"
#include "oci/config.h"

namespace berth::runtime {

/// Makes the default devices, those of linux.devices, and the links that programs expect in /dev.
/// In a user namespace, where mknod is refused, the host's node is bound in place of a new one.
void make_devices(const base::Fd& root, const oci::Config& config);

}  // namespace berth::runtime
