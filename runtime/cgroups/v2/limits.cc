#include <cmath>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "cgroups/files.h"
#include "cgroups/limit_files.h"
#include "cgroups/limit_text.h"
#include "cgroups/v2/v2.h"

namespace berth::runtime {

namespace {

std::string or_max(int64_t value) {
  return value < 0 ? "max" : std::to_string(value);
}

void apply_swap(const LimitFiles& files, int64_t limit, int64_t swap) {
  const auto only_swap = swap_without_memory(limit, swap);
  // Without swap accounting there is nothing to limit.
  if (!only_swap || (*only_swap <= 0 && !files.has("memory.swap.max"))) return;
  files.write("memory.swap.max", or_max(*only_swap), "memory.swap");
}

void apply_memory(const LimitFiles& files, const oci::MemoryResources& memory) {
  const int64_t limit = memory.limit.value_or(0);
  if (memory.check_before_update.value_or(false) && files.has("memory.current")) {
    cgroup_files::require_above_usage(limit, std::stoll(files.read("memory.current")));
  }
  apply_swap(files, limit, memory.swap.value_or(0));
  if (limit != 0) files.write("memory.max", or_max(limit), "memory.limit");
  if (memory.reservation.value_or(0) != 0) files.write("memory.low", or_max(*memory.reservation), "memory.reservation");
}

void apply_quota(const LimitFiles& files, const oci::CpuResources& cpu) {
  const auto quota = cpu.quota.value_or(0);
  const auto period = cpu.period.value_or(0);
  if (quota == 0 && period == 0) return;
  std::istringstream present(files.has("cpu.max") ? files.read("cpu.max") : "");
  std::string present_quota = "max";
  std::string present_period = "100000";
  present >> present_quota >> present_period;
  const std::string new_quota = quota == 0 ? present_quota : quota < 0 ? "max" : std::to_string(quota);
  files.write("cpu.max", new_quota + " " + (period == 0 ? present_period : std::to_string(period)), "cpu.quota");
}

void apply_cpu(const LimitFiles& files, const oci::CpuResources& cpu) {
  // While a group is idle its weight cannot be set.
  if (cpu.idle) files.write("cpu.idle", std::to_string(*cpu.idle), "cpu.idle");
  const auto weight = weight_of_shares(cpu.shares.value_or(0));
  if (weight != 0 && cpu.idle.value_or(0) == 0) files.write("cpu.weight", std::to_string(weight), "cpu.shares");
  const auto write_burst = [&] { files.write("cpu.max.burst", std::to_string(cpu.burst.value_or(0)), "cpu.burst"); };
  bool burst_later = false;
  if (cpu.burst) {
    try {
      write_burst();
    } catch (const base::SystemError& error) {
      if (error.code() != EINVAL) throw;
      burst_later = true;  // more than the present quota allows
    }
  }
  apply_quota(files, cpu);
  if (burst_later) write_burst();
  if (!cpu.cpus.empty()) files.write("cpuset.cpus", cpu.cpus, "cpu.cpus");
  if (!cpu.mems.empty()) files.write("cpuset.mems", cpu.mems, "cpu.mems");
}

void apply_io_max(const LimitFiles& files, const std::vector<oci::BlockIoDevice>& devices, const std::string& what,
                  const std::string& key) {
  for (const auto& device : devices) {
    const std::string name = std::to_string(device.major) + ":" + std::to_string(device.minor);
    files.write("io.max", name + " " + what + "=" + std::to_string(device.value), "blockIO." + key);
  }
}

void apply_block_io(const LimitFiles& files, const oci::BlockIoResources& block_io) {
  const bool bfq = files.has("io.bfq.weight");
  const std::string file = bfq ? "io.bfq.weight" : "io.weight";
  const auto text = [bfq](uint64_t weight) { return std::to_string(bfq ? weight : io_weight_of(weight)); };
  if (block_io.weight) files.write(file, text(*block_io.weight), "blockIO.weight");
  for (const auto& device : block_io.weight_device) {
    if (device.value == 0) continue;
    const auto name = std::to_string(device.major) + ":" + std::to_string(device.minor);
    files.write(file, name + " " + text(device.value), "blockIO.weightDevice");
  }
  apply_io_max(files, block_io.read_bps, "rbps", "throttleReadBpsDevice");
  apply_io_max(files, block_io.write_bps, "wbps", "throttleWriteBpsDevice");
  apply_io_max(files, block_io.read_iops, "riops", "throttleReadIOPSDevice");
  apply_io_max(files, block_io.write_iops, "wiops", "throttleWriteIOPSDevice");
}

void apply_hugepages(const LimitFiles& files, const oci::HugepageLimit& limit) {
  const std::string value = std::to_string(limit.limit);
  files.write("hugetlb." + limit.page_size + ".max", value, "hugepageLimits");
  const std::string reserved = "hugetlb." + limit.page_size + ".rsvd.max";
  if (files.has(reserved)) files.write(reserved, value, "hugepageLimits");
}

void apply_unified(const LimitFiles& files, const std::map<std::string, std::string>& unified) {
  for (const auto& [file, value] : unified) {
    if (file.find('/') != std::string::npos || file == "." || file == "..") {
      throw std::runtime_error("linux.resources.unified: \"" + file + "\" is not the name of a file");
    }
    std::istringstream lines(value);
    for (std::string line; std::getline(lines, line);) files.write(file, line, "unified");
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

std::optional<int64_t> swap_without_memory(int64_t limit, int64_t swap) {
  if (swap == 0 && limit != -1) return std::nullopt;
  if (swap <= 0) return -1;
  if (limit <= 0)
    throw std::runtime_error("linux.resources.memory.swap: unable to set swap limit without memory limit");
  if (swap < limit) {
    throw std::runtime_error("linux.resources.memory.swap: " + std::to_string(swap) + " is less than memory.limit " +
                             std::to_string(limit));
  }
  return swap - limit;
}

uint64_t io_weight_of(uint64_t blkio_weight) {
  return 1 + (blkio_weight - 10) * 9999 / 990;
}

void apply_v2_limits(const std::string& directory, const oci::Resources& resources, base::Rollback* undo) {
  const LimitFiles files(directory, undo);
  if (resources.pids_limit) files.write("pids.max", pids_limit_text(*resources.pids_limit), "pids.limit");
  if (resources.memory) apply_memory(files, *resources.memory);
  if (resources.block_io) apply_block_io(files, *resources.block_io);
  if (resources.cpu) apply_cpu(files, *resources.cpu);
  for (const auto& limit : resources.hugepage_limits) apply_hugepages(files, limit);
  for (const auto& [device, limit] : resources.rdma) files.write("rdma.max", rdma_text(device, limit), "rdma");
  apply_unified(files, resources.unified);
}

}  // namespace berth::runtime
