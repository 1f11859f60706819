#include <sys/stat.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "cgroups/files.h"
#include "cgroups/v2/v2.h"

namespace berth::runtime {

namespace {

using cgroup_files::write_limit;

bool has_file(const std::string& directory, const char* file) {
  struct stat info {};
  return ::stat((directory + "/" + file).c_str(), &info) == 0;
}

std::string or_max(int64_t value) {
  return value < 0 ? "max" : std::to_string(value);
}

void apply_swap(const std::string& directory, int64_t limit, int64_t swap) {
  if (swap == 0 && limit != -1) return;
  int64_t only_swap = -1;
  if (swap > 0) {
    if (limit <= 0)
      throw std::runtime_error("linux.resources.memory.swap: unable to set swap limit without memory limit");
    if (swap < limit) {
      throw std::runtime_error("linux.resources.memory.swap: " + std::to_string(swap) + " is less than memory.limit " +
                               std::to_string(limit));
    }
    only_swap = swap - limit;
  }
  // Without swap accounting there is nothing to limit.
  if (only_swap <= 0 && !has_file(directory, "memory.swap.max")) return;
  write_limit(directory, "memory.swap.max", or_max(only_swap), "memory.swap");
}

void apply_memory(const std::string& directory, const oci::MemoryResources& memory) {
  const int64_t limit = memory.limit.value_or(0);
  apply_swap(directory, limit, memory.swap.value_or(0));
  if (memory.check_before_update.value_or(false) && has_file(directory, "memory.current")) {
    cgroup_files::require_above_usage(limit, std::stoll(base::read_file(directory + "/memory.current")));
  }
  if (limit != 0) write_limit(directory, "memory.max", or_max(limit), "memory.limit");
  if (memory.reservation.value_or(0) != 0)
    write_limit(directory, "memory.low", or_max(*memory.reservation), "memory.reservation");
}

void apply_quota(const std::string& directory, const oci::CpuResources& cpu) {
  const auto quota = cpu.quota.value_or(0);
  const auto period = cpu.period.value_or(0);
  if (quota == 0 && period == 0) return;
  std::istringstream present(has_file(directory, "cpu.max") ? base::read_file(directory + "/cpu.max") : "");
  std::string present_quota = "max";
  std::string present_period = "100000";
  present >> present_quota >> present_period;
  const std::string new_quota = quota == 0 ? present_quota : quota < 0 ? "max" : std::to_string(quota);
  write_limit(directory, "cpu.max", new_quota + " " + (period == 0 ? present_period : std::to_string(period)),
              "cpu.quota");
}

void apply_cpu(const std::string& directory, const oci::CpuResources& cpu) {
  // While a group is idle its weight cannot be set.
  if (cpu.idle) write_limit(directory, "cpu.idle", std::to_string(*cpu.idle), "cpu.idle");
  const auto weight = weight_of_shares(cpu.shares.value_or(0));
  if (weight != 0 && cpu.idle.value_or(0) == 0)
    write_limit(directory, "cpu.weight", std::to_string(weight), "cpu.shares");
  const auto write_burst = [&] {
    write_limit(directory, "cpu.max.burst", std::to_string(cpu.burst.value_or(0)), "cpu.burst");
  };
  bool burst_later = false;
  if (cpu.burst) {
    try {
      write_burst();
    } catch (const base::SystemError& error) {
      if (error.code() != EINVAL) throw;
      burst_later = true;  // more than the present quota allows
    }
  }
  apply_quota(directory, cpu);
  if (burst_later) write_burst();
  if (!cpu.cpus.empty()) write_limit(directory, "cpuset.cpus", cpu.cpus, "cpu.cpus");
  if (!cpu.mems.empty()) write_limit(directory, "cpuset.mems", cpu.mems, "cpu.mems");
}

void apply_io_max(const std::string& directory, const std::vector<oci::BlockIoDevice>& devices, const std::string& what,
                  const std::string& key) {
  for (const auto& device : devices) {
    const std::string name = std::to_string(device.major) + ":" + std::to_string(device.minor);
    write_limit(directory, "io.max", name + " " + what + "=" + std::to_string(device.value), "blockIO." + key);
  }
}

void apply_block_io(const std::string& directory, const oci::BlockIoResources& block_io) {
  const bool bfq = has_file(directory, "io.bfq.weight");
  if (block_io.weight) {
    write_limit(directory, bfq ? "io.bfq.weight" : "io.weight",
                std::to_string(bfq ? *block_io.weight : io_weight_of(*block_io.weight)), "blockIO.weight");
  }
  for (const auto& device : block_io.weight_device) {
    write_limit(directory, bfq ? "io.bfq.weight" : "io.weight",
                std::to_string(device.major) + ":" + std::to_string(device.minor) + " " +
                    std::to_string(bfq ? device.value : io_weight_of(device.value)),
                "blockIO.weightDevice");
  }
  apply_io_max(directory, block_io.read_bps, "rbps", "throttleReadBpsDevice");
  apply_io_max(directory, block_io.write_bps, "wbps", "throttleWriteBpsDevice");
  apply_io_max(directory, block_io.read_iops, "riops", "throttleReadIOPSDevice");
  apply_io_max(directory, block_io.write_iops, "wiops", "throttleWriteIOPSDevice");
}

void apply_unified(const std::string& directory, const std::map<std::string, std::string>& unified) {
  for (const auto& [file, value] : unified) {
    if (file.find('/') != std::string::npos || file == "." || file == "..") {
      throw std::runtime_error("linux.resources.unified: \"" + file + "\" is not the name of a file");
    }
    std::istringstream lines(value);
    for (std::string line; std::getline(lines, line);) write_limit(directory, file, line, "unified");
  }
}

}  // namespace

uint64_t weight_of_shares(uint64_t shares) {
  if (shares == 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const double l = std::log2(static_cast<double>(shares));
  return static_cast<uint64_t>(std::ceil(std::pow(10, (l * l + 125 * l) / 612 - 7.0 / 34)));
}

uint64_t io_weight_of(uint64_t blkio_weight) {
  return 1 + (blkio_weight - 10) * 9999 / 990;
}

void apply_v2_limits(const std::string& directory, const oci::Resources& resources) {
  if (resources.pids_limit) {
    const auto limit = *resources.pids_limit;
    // 0 would keep the container from being set up at all.
    write_limit(directory, "pids.max", or_max(limit == 0 ? 1 : limit), "pids.limit");
  }
  if (resources.memory) apply_memory(directory, *resources.memory);
  if (resources.block_io) apply_block_io(directory, *resources.block_io);
  if (resources.cpu) apply_cpu(directory, *resources.cpu);
  for (const auto& limit : resources.hugepage_limits) {
    write_limit(directory, "hugetlb." + limit.page_size + ".max", std::to_string(limit.limit), "hugepageLimits");
    const std::string reserved = "hugetlb." + limit.page_size + ".rsvd.max";
    if (has_file(directory, reserved.c_str()))
      write_limit(directory, reserved, std::to_string(limit.limit), "hugepageLimits");
  }
  apply_unified(directory, resources.unified);
}

}  // namespace berth::runtime
