#pragma once

#include <linux/filter.h>

#include <vector>

#include "oci/seccomp.h"

namespace berth::runtime {

/// Translates a profile to a classic BPF program over struct seccomp_data (seccomp(2)): the architecture is checked,
/// then the number is found among merged ranges by binary search, then arguments are compared where rules ask for it.
/// The kernel runs a new filter once for each system call number, so that a short way through it is a quick start.
/// Throws std::runtime_error naming the key for what cannot be translated, and for more than 4096 instructions.
std::vector<sock_filter> compile_seccomp(const oci::Seccomp& profile);

}  // namespace berth::runtime
