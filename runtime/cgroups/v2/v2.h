#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"

namespace berth::runtime {

/// Cgroup v2: one directory below the mount point of the unified hierarchy.
std::unique_ptr<Cgroup> make_v2_cgroup(std::string mount_point, std::string directory);

/// Writes the limits into the v2 files (kernel: Documentation/admin-guide/cgroup-v2.rst; formulas: oci-runtime.md 2.6).
/// `undo`: see LimitFiles.
void apply_v2_limits(const std::string& directory, const oci::Resources& resources, base::Rollback* undo = nullptr);

/// Reads the statistics of the v2 files.
CgroupStats read_v2_stats(const std::string& directory);

/// cpu.weight of cpu.shares: 0 stays 0 (unset), 2 → 1, 1024 → 100, 262144 → 10000.
uint64_t weight_of_shares(uint64_t shares);
/// io.weight of a blkio weight of 10 to 1000.
uint64_t io_weight_of(uint64_t blkio_weight);

/// memory.swap.max of memory.limit and memory.swap, which counts both (0: not given, -1: unlimited); nullopt: to be
/// left alone. Throws std::runtime_error naming the key where the two do not fit together.
std::optional<int64_t> swap_without_memory(int64_t limit, int64_t swap);

/// A BPF_PROG_TYPE_CGROUP_DEVICE program: the last rule that matches an access decides; without a match it is denied.
std::vector<bpf_insn> device_program(const std::vector<oci::DeviceRule>& rules);
/// Loads and attaches it to a cgroup.
void attach_device_program(const base::Fd& cgroup, const std::vector<bpf_insn>& program);

}  // namespace berth::runtime
