#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace berth::oci {

/// Numbers of CPUs or memory nodes as system calls take them: bit n of word n / 64.
using BitMask = std::vector<unsigned long>;

/// process.scheduler, in the kernel's numbers (sched(7)).
struct Scheduler {
  uint32_t policy = 0;    ///< SCHED_*
  uint64_t flags = 0;     ///< SCHED_FLAG_*
  int32_t nice = 0;       ///< -20 to 19; SCHED_OTHER and SCHED_BATCH only.
  uint32_t priority = 0;  ///< SCHED_FIFO and SCHED_RR only.
  uint64_t runtime = 0;   ///< Nanoseconds, as the next two; SCHED_DEADLINE only.
  uint64_t deadline = 0;
  uint64_t period = 0;
};

/// process.ioPriority, in the kernel's numbers (ioprio_set(2)).
struct IoPriority {
  int io_class = 0;  ///< IOPRIO_CLASS_*
  int priority = 0;  ///< 0 to 7
};

/// process.execCPUAffinity: where `exec` runs before and after it joins the container's cgroup. Unset: not given.
struct CpuAffinity {
  std::optional<BitMask> initial;
  std::optional<BitMask> final;
};

/// linux.personality (personality(2)).
struct Personality {
  unsigned long domain = 0;
  bool has_flags = false;  ///< The specification defines none: they are ignored, with a warning.
};

/// linux.memoryPolicy, in the kernel's numbers (set_mempolicy(2)).
struct MemoryPolicy {
  int mode = 0;        ///< MPOL_*
  unsigned flags = 0;  ///< MPOL_F_*
  BitMask nodes;       ///< Empty: none.
};

/// linux.intelRdt: a share of caches and memory bandwidth (resctrl).
struct IntelRdt {
  std::string clos_id;  ///< Name of a group, "/" for the root's; empty: one of the container's own.
  std::vector<std::string> schemata;
  std::string l3_cache_schema;          ///< Written first.
  std::string memory_bandwidth_schema;  ///< Written next.
  bool monitoring = false;
};

/// The names that linux.memoryPolicy takes, for `berth features`.
std::vector<std::string> memory_policy_modes();
std::vector<std::string> memory_policy_flags();

}  // namespace berth::oci
