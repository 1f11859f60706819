#include <sys/stat.h>

#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "cgroups/device_rules.h"
#include "cgroups/files.h"
#include "cgroups/v1/v1.h"

namespace berth::runtime {

namespace {

/// Writes limits of one container: file names are "CONTROLLER.…".
class Writer {
 public:
  explicit Writer(const std::map<std::string, std::string>& paths) : paths_(paths) {}

  void write(const std::string& controller, const std::string& file, const std::string& value,
             const std::string& key) const {
    const auto directory = paths_.find(controller);
    if (directory == paths_.end()) {
      throw std::runtime_error("linux.resources." + key + ": the cgroup controller " + controller +
                               " is not available");
    }
    cgroup_files::write_limit(directory->second, file, value, key);
  }

  template <class Number>
  void write_if(const std::optional<Number>& value, const std::string& controller, const std::string& file,
                const std::string& key) const {
    if (value) write(controller, file, std::to_string(*value), key);
  }

  /// The number in a file; nullopt if there is no such file.
  std::optional<int64_t> read_number(const std::string& controller, const std::string& file) const {
    if (!has_file(controller, file)) return std::nullopt;
    return std::stoll(base::read_file(paths_.at(controller) + "/" + file));
  }

  bool has_file(const std::string& controller, const std::string& file) const {
    const auto directory = paths_.find(controller);
    struct stat info {};
    return directory != paths_.end() && ::stat((directory->second + "/" + file).c_str(), &info) == 0;
  }

 private:
  const std::map<std::string, std::string>& paths_;
};

/// The kernel keeps memory+swap at or above memory: which of the two goes first depends on the direction.
void apply_memory_limits(const Writer& writer, const oci::MemoryResources& memory) {
  const auto limit = memory.limit.value_or(0);
  auto swap = memory.swap.value_or(0);
  if (limit == -1 && swap == 0 && writer.has_file("memory", "memory.memsw.limit_in_bytes")) swap = -1;
  const auto write_limit = [&] {
    if (limit != 0) writer.write("memory", "memory.limit_in_bytes", std::to_string(limit), "memory.limit");
  };
  const auto write_swap = [&] {
    if (swap != 0) writer.write("memory", "memory.memsw.limit_in_bytes", std::to_string(swap), "memory.swap");
  };
  if (limit != 0 && swap > 0 && swap < limit) {
    throw std::runtime_error("linux.resources.memory.swap: " + std::to_string(swap) + " is less than memory.limit " +
                             std::to_string(limit));
  }
  try {
    write_limit();
    write_swap();
  } catch (const base::SystemError& error) {
    if (error.code() != EINVAL && error.code() != EBUSY) throw;
    write_swap();
    write_limit();
  }
}

void apply_hugepages(const Writer& writer, const oci::HugepageLimit& limit) {
  const std::string value = std::to_string(limit.limit);
  writer.write("hugetlb", "hugetlb." + limit.page_size + ".limit_in_bytes", value, "hugepageLimits");
  const std::string reserved = "hugetlb." + limit.page_size + ".rsvd.limit_in_bytes";
  if (writer.has_file("hugetlb", reserved)) writer.write("hugetlb", reserved, value, "hugepageLimits");
}

/// The kernel takes a rule of type "a" for everything, whatever numbers it has.
void apply_device_rule(const Writer& writer, const oci::DeviceRule& rule) {
  const bool all_devices = rule.major < 0 && rule.minor < 0 && (rule.access.empty() || rule.access.size() == 3);
  const std::string file = rule.allow ? "devices.allow" : "devices.deny";
  if (rule.type != 'a' || all_devices) return writer.write("devices", file, to_v1_text(rule), "devices");
  for (const char type : {'c', 'b'}) {
    oci::DeviceRule one = rule;
    one.type = type;
    writer.write("devices", file, to_v1_text(one), "devices");
  }
}

void apply_devices(const Writer& writer, const std::vector<oci::DeviceRule>& configured) {
  if (configured.empty()) return;
  // As on v2: what no rule allows is denied. A new v1 cgroup has what its parent has.
  writer.write("devices", "devices.deny", "a", "devices");
  for (const auto& rule : complete_device_rules(configured)) apply_device_rule(writer, rule);
}

void apply_memory(const Writer& writer, const oci::MemoryResources& memory) {
  if (memory.check_before_update.value_or(false)) {
    cgroup_files::require_above_usage(memory.limit.value_or(0), writer.read_number("memory", "memory.usage_in_bytes"));
  }
  apply_memory_limits(writer, memory);
  if (memory.reservation.value_or(0) != 0) {
    writer.write_if(memory.reservation, "memory", "memory.soft_limit_in_bytes", "memory.reservation");
  }
  writer.write_if(memory.swappiness, "memory", "memory.swappiness", "memory.swappiness");
  if (memory.disable_oom_killer.value_or(false))
    writer.write("memory", "memory.oom_control", "1", "memory.disableOOMKiller");
}

void apply_cpu(const Writer& writer, const oci::CpuResources& cpu) {
  if (cpu.shares.value_or(0) != 0) writer.write_if(cpu.shares, "cpu", "cpu.shares", "cpu.shares");
  if (cpu.period.value_or(0) != 0) writer.write_if(cpu.period, "cpu", "cpu.cfs_period_us", "cpu.period");
  if (cpu.quota.value_or(0) != 0) writer.write_if(cpu.quota, "cpu", "cpu.cfs_quota_us", "cpu.quota");
  writer.write_if(cpu.burst, "cpu", "cpu.cfs_burst_us", "cpu.burst");
  writer.write_if(cpu.idle, "cpu", "cpu.idle", "cpu.idle");
  writer.write_if(cpu.realtime_period, "cpu", "cpu.rt_period_us", "cpu.realtimePeriod");
  writer.write_if(cpu.realtime_runtime, "cpu", "cpu.rt_runtime_us", "cpu.realtimeRuntime");
  if (!cpu.cpus.empty()) writer.write("cpuset", "cpuset.cpus", cpu.cpus, "cpu.cpus");
  if (!cpu.mems.empty()) writer.write("cpuset", "cpuset.mems", cpu.mems, "cpu.mems");
}

void apply_throttle(const Writer& writer, const std::vector<oci::BlockIoDevice>& devices, const std::string& file,
                    const std::string& key) {
  for (const auto& device : devices) {
    writer.write("blkio", file,
                 std::to_string(device.major) + ":" + std::to_string(device.minor) + " " + std::to_string(device.value),
                 "blockIO." + key);
  }
}

void apply_block_io(const Writer& writer, const oci::BlockIoResources& block_io) {
  const bool bfq = writer.has_file("blkio", "blkio.bfq.weight");
  writer.write_if(block_io.weight, "blkio", bfq ? "blkio.bfq.weight" : "blkio.weight", "blockIO.weight");
  apply_throttle(writer, block_io.weight_device, bfq ? "blkio.bfq.weight_device" : "blkio.weight_device",
                 "weightDevice");
  apply_throttle(writer, block_io.read_bps, "blkio.throttle.read_bps_device", "throttleReadBpsDevice");
  apply_throttle(writer, block_io.write_bps, "blkio.throttle.write_bps_device", "throttleWriteBpsDevice");
  apply_throttle(writer, block_io.read_iops, "blkio.throttle.read_iops_device", "throttleReadIOPSDevice");
  apply_throttle(writer, block_io.write_iops, "blkio.throttle.write_iops_device", "throttleWriteIOPSDevice");
}

}  // namespace

void apply_v1_limits(const std::map<std::string, std::string>& paths, const oci::Resources& resources) {
  const Writer writer(paths);
  if (!resources.unified.empty()) throw std::runtime_error("linux.resources.unified: this host has cgroup v1");
  if (resources.pids_limit) {
    const auto limit = *resources.pids_limit;
    // 0 would keep the container from being set up at all.
    writer.write("pids", "pids.max", limit < 0 ? "max" : std::to_string(limit == 0 ? 1 : limit), "pids.limit");
  }
  if (resources.memory) apply_memory(writer, *resources.memory);
  if (resources.cpu) apply_cpu(writer, *resources.cpu);
  if (resources.block_io) apply_block_io(writer, *resources.block_io);
  for (const auto& limit : resources.hugepage_limits) apply_hugepages(writer, limit);
  apply_devices(writer, resources.devices);
}

}  // namespace berth::runtime
