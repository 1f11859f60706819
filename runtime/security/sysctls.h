#pragma once

#include <map>
#include <string>

#include "base/fd.h"

namespace berth::runtime {

/// The host's /proc, held open and verified to be procfs: what is written through it cannot be led astray by anything
/// the container mounts over its own /proc (CVE-2025-52881).
base::Fd open_trusted_proc();

/// Writes the container's sysctls (names with '.' or '/'), in the namespaces of the calling process.
void write_sysctls(const base::Fd& proc, const std::map<std::string, std::string>& sysctls);

}  // namespace berth::runtime
