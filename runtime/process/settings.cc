#include "process/settings.h"

#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"

namespace berth::runtime {

using base::check;

namespace {

/// struct sched_attr of sched_setattr(2), which not every C library has.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};

void set_scheduler(const oci::Scheduler& scheduler, bool has_cpuset) {
  SchedulingAttributes attributes;
  attributes.policy = scheduler.policy;
  attributes.flags = scheduler.flags;
  attributes.nice = scheduler.nice;
  attributes.priority = scheduler.priority;
  attributes.runtime = scheduler.runtime;
  attributes.deadline = scheduler.deadline;
  attributes.period = scheduler.period;
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) == 0) return;
  // The kernel admits deadlines only to what may run on every CPU.
  if (errno == EPERM && has_cpuset) {
    throw std::runtime_error(
        "error setting scheduler (process.scheduler): operation not permitted: process scheduler can't be used "
        "together with AllowedCPUs (linux.resources.cpu.cpus)");
  }
  base::throw_errno("error setting scheduler (process.scheduler)");
}

void set_io_priority(const oci::IoPriority& priority) {
  // ioprio_set(2); linux/ioprio.h is not always C++.
  constexpr int kProcessGroup = 2;  // IOPRIO_WHO_PGRP
  constexpr int kClassShift = 13;   // IOPRIO_CLASS_SHIFT
  check(::syscall(SYS_ioprio_set, kProcessGroup, 0, priority.io_class << kClassShift | priority.priority),
        "error setting I/O priority (process.ioPriority)");
}

void set_memory_policy(const oci::MemoryPolicy& policy) {
  const auto bits = policy.nodes.size() * sizeof(unsigned long) * CHAR_BIT;
  // The kernel reads one bit less than it is told of.
  check(::syscall(SYS_set_mempolicy, static_cast<unsigned>(policy.mode) | policy.flags,
                  policy.nodes.empty() ? nullptr : policy.nodes.data(), policy.nodes.empty() ? 0 : bits + 1),
        "error setting memory policy (linux.memoryPolicy)");
}

}  // namespace

void apply_settings(const oci::Process& process, const oci::Linux& config) {
  const auto& cpu = config.resources.cpu;
  if (process.scheduler) set_scheduler(*process.scheduler, cpu && !cpu->cpus.empty());
  if (process.io_priority) set_io_priority(*process.io_priority);
  if (config.personality) {
    check(::personality(config.personality->domain), "error setting execution domain (linux.personality)");
  }
  if (config.memory_policy) set_memory_policy(*config.memory_policy);
}

void adjust_oom_score(const oci::Process& process) {
  if (!process.oom_score_adj) return;
  try {
    base::write_existing("/proc/self/oom_score_adj", std::to_string(*process.oom_score_adj));
  } catch (const base::SystemError& error) {
    // Lowering it needs a right that the containers of ordinary users have not: the higher one stays.
    if (error.code() != EACCES || ::geteuid() == 0) throw;
  }
}

void set_cpu_affinity(pid_t pid, const oci::BitMask& cpus, const char* key) {
  check(::syscall(SYS_sched_setaffinity, pid, cpus.size() * sizeof(unsigned long), cpus.data()),
        std::string("error setting CPU affinity (") + key + ")");
}

void reset_cpu_affinity(pid_t pid) {
  // All that a kernel can be built for; it takes of them what the cgroup allows.
  std::array<unsigned long, 8192 / (sizeof(unsigned long) * CHAR_BIT)> all;
  all.fill(~0UL);
  ::syscall(SYS_sched_setaffinity, pid, sizeof all, all.data());
}

}  // namespace berth::runtime
