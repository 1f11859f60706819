#pragma once

#include <cstdint>
#include <string>

#include "oci/config.h"

/// What both cgroup versions say and write alike.
namespace berth::runtime {

/// For MemoryResources::has_kernel_limits, in runc's words.
inline constexpr const char* kKernelMemoryWarning = "Kernel memory settings are ignored and will be removed";

/// pids.max. 0 would keep the container from being set up at all: it becomes 1.
inline std::string pids_limit_text(int64_t limit) {
  return limit < 0 ? "max" : std::to_string(limit == 0 ? 1 : limit);
}

/// A line of rdma.max: "mlx5_0 hca_handle=2 hca_object=2000".
inline std::string rdma_text(const std::string& device, const oci::RdmaLimit& limit) {
  std::string text = device;
  if (limit.handles) text += " hca_handle=" + std::to_string(*limit.handles);
  if (limit.objects) text += " hca_object=" + std::to_string(*limit.objects);
  return text;
}

}  // namespace berth::runtime
