#pragma once

#include <string>
#include <vector>

namespace berth::bench {

/// What running a program as a container needs of the kernel, and nothing else: namespaces (also of the network if
/// `network`), a cgroup, the usual mounts and devices, a new root, no privileges. Waits for its end; its exit status.
int run_contained(const std::string& rootfs, const std::vector<std::string>& argv, bool network);

}  // namespace berth::bench
