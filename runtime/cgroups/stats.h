#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace berth::runtime {

/// What a cgroup has used, in the terms of runc's `events`. What its controllers do not say is 0 or empty.
struct CgroupStats {
  struct PressureLine {
    double avg10 = 0, avg60 = 0, avg300 = 0;  ///< Percent.
    uint64_t total = 0;                       ///< Microseconds.
  };
  /// Pressure stall information (kernel: Documentation/accounting/psi.rst).
  struct Pressure {
    PressureLine some, full;
  };

  struct Cpu {
    uint64_t total = 0, kernel = 0, user = 0;  ///< Nanoseconds, as all times here.
    std::vector<uint64_t> percpu, percpu_kernel, percpu_user;
    uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;
    std::optional<Pressure> pressure;
  } cpu;

  struct Cpuset {
    std::vector<uint64_t> cpus, mems;
    std::map<std::string, int64_t> flags;  ///< By file, without "cpuset.".
  } cpuset;

  struct MemoryCounter {
    uint64_t limit = 0, usage = 0, max = 0, failures = 0;
  };
  struct Memory {
    uint64_t cache = 0;
    MemoryCounter memory, swap, kernel, kernel_tcp;  ///< `swap` is memory and swap together, on v2 too.
    std::map<std::string, uint64_t> raw;             ///< memory.stat
    std::optional<Pressure> pressure;
  } memory;

  struct Pids {
    uint64_t current = 0, limit = 0;  ///< 0: no limit.
  } pids;

  struct BlockIoEntry {
    uint64_t major = 0, minor = 0;
    std::string operation;
    uint64_t value = 0;
  };
  std::map<std::string, std::vector<BlockIoEntry>> block_io;  ///< By runc's name: "ioServiceBytesRecursive".
  std::optional<Pressure> block_io_pressure;

  std::map<std::string, MemoryCounter> hugetlb;  ///< By page size: "2MB".
};

}  // namespace berth::runtime
