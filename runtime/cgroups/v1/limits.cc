#include <stdexcept>

#include "base/error.h"
#include "cgroups/device_rules.h"
#include "cgroups/files.h"
#include "cgroups/limit_files.h"
#include "cgroups/limit_text.h"
#include "cgroups/v1/v1.h"

namespace berth::runtime {

namespace {

/// The limit files of one container: file names are "CONTROLLER.…".
class Writer {
 public:
  Writer(const std::map<std::string, std::string>& paths, base::Rollback* undo) : paths_(paths), undo_(undo) {}

  void write(const std::string& controller, const std::string& file, const std::string& value,
             const std::string& key) const {
    const auto directory = paths_.find(controller);
    if (directory == paths_.end()) {
      throw std::runtime_error("linux.resources." + key + ": the cgroup controller " + controller +
                               " is not available");
    }
    LimitFiles(directory->second, undo_).write(file, value, key);
  }

  template <class Number>
  void write_if(const std::optional<Number>& value, const std::string& controller, const std::string& file,
                const std::string& key) const {
    if (value) write(controller, file, std::to_string(*value), key);
  }

  /// The number in a file; nullopt if there is no such file.
  std::optional<int64_t> read_number(const std::string& controller, const std::string& file) const {
    if (!has_file(controller, file)) return std::nullopt;
    return std::stoll(LimitFiles(paths_.at(controller)).read(file));
  }

  bool has_file(const std::string& controller, const std::string& file) const {
    const auto directory = paths_.find(controller);
    return directory != paths_.end() && LimitFiles(directory->second).has(file);
  }

 private:
  const std::map<std::string, std::string>& paths_;
  base::Rollback* undo_;
};

/// False if the kernel does not take the value now: it may after another limit has been changed.
bool try_write(const Writer& writer, const std::string& controller, const std::string& file, const std::string& value,
               const std::string& key) {
  try {
    writer.write(controller, file, value, key);
  } catch (const base::SystemError& error) {
    if (error.code() == EINVAL) return false;
    throw;
  }
  return true;
}

/// The kernel's "busy" means that more is in use, and cannot be given back.
void write_memory_limit(const Writer& writer, int64_t limit) {
  try {
    writer.write("memory", "memory.limit_in_bytes", std::to_string(limit), "memory.limit");
  } catch (const base::SystemError& error) {
    if (error.code() != EBUSY) throw;
    const auto number = [&](const char* file) {
      return std::to_string(writer.read_number("memory", file).value_or(0));
    };
    throw base::SystemError("linux.resources.memory.limit: unable to set memory limit to " + std::to_string(limit) +
                                " (current usage: " + number("memory.usage_in_bytes") +
                                ", peak usage: " + number("memory.max_usage_in_bytes") + ")",
                            EBUSY);
  }
}

/// The kernel keeps memory+swap at or above memory: which of the two goes first depends on the direction.
void apply_memory_limits(const Writer& writer, const oci::MemoryResources& memory) {
  const auto limit = memory.limit.value_or(0);
  auto swap = memory.swap.value_or(0);
  if (limit == -1 && swap == 0 && writer.has_file("memory", "memory.memsw.limit_in_bytes")) swap = -1;
  const auto write_limit = [&] {
    if (limit != 0) write_memory_limit(writer, limit);
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
    try {
      write_swap();
      write_limit();
    } catch (const base::SystemError&) {
      if (error.code() == EBUSY) throw base::SystemError(error);  // says more than that swap has to be above it
      throw;
    }
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

/// The kernel takes less and more than its bounds, and keeps them instead.
void apply_shares(const Writer& writer, uint64_t shares) {
  writer.write("cpu", "cpu.shares", std::to_string(shares), "cpu.shares");
  const auto kept = static_cast<uint64_t>(writer.read_number("cpu", "cpu.shares").value_or(0));
  if (kept == shares) return;
  throw std::runtime_error("linux.resources.cpu.shares: " + std::to_string(shares) + ": the " +
                           (shares > kept ? "maximum" : "minimum") + " allowed cpu-shares is " + std::to_string(kept));
}

/// Quota and period are checked against each other, against the burst and against the parent's: what is refused at
/// first may be taken after the others.
void apply_quota(const Writer& writer, const oci::CpuResources& cpu) {
  const auto write = [&](const auto& value, const char* file, const char* key) {
    return value.value_or(0) == 0 || try_write(writer, "cpu", file, std::to_string(*value), key);
  };
  const bool period_is_set = write(cpu.period, "cpu.cfs_period_us", "cpu.period");
  const bool burst_is_set = !cpu.burst || write(cpu.burst, "cpu.cfs_burst_us", "cpu.burst");
  if (cpu.quota.value_or(0) != 0) writer.write_if(cpu.quota, "cpu", "cpu.cfs_quota_us", "cpu.quota");
  if (!period_is_set) writer.write_if(cpu.period, "cpu", "cpu.cfs_period_us", "cpu.period");
  if (!burst_is_set || cpu.burst == 0) writer.write_if(cpu.burst, "cpu", "cpu.cfs_burst_us", "cpu.burst");
}

void apply_realtime(const Writer& writer, const oci::CpuResources& cpu) {
  const auto period = std::to_string(cpu.realtime_period.value_or(0));
  const bool has_period = cpu.realtime_period.value_or(0) != 0;
  const bool later = has_period && !try_write(writer, "cpu", "cpu.rt_period_us", period, "cpu.realtimePeriod");
  if (cpu.realtime_runtime.value_or(0) != 0) {
    writer.write_if(cpu.realtime_runtime, "cpu", "cpu.rt_runtime_us", "cpu.realtimeRuntime");
  }
  if (later) writer.write("cpu", "cpu.rt_period_us", period, "cpu.realtimePeriod");
}

void apply_cpu(const Writer& writer, const oci::CpuResources& cpu) {
  if (cpu.shares.value_or(0) != 0) apply_shares(writer, *cpu.shares);
  apply_quota(writer, cpu);
  writer.write_if(cpu.idle, "cpu", "cpu.idle", "cpu.idle");
  apply_realtime(writer, cpu);
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

void apply_weights(const Writer& writer, const oci::BlockIoResources& block_io) {
  const bool bfq = writer.has_file("blkio", "blkio.bfq.weight");
  writer.write_if(block_io.weight, "blkio", bfq ? "blkio.bfq.weight" : "blkio.weight", "blockIO.weight");
  writer.write_if(block_io.leaf_weight, "blkio", "blkio.leaf_weight", "blockIO.leafWeight");
  std::vector<oci::BlockIoDevice> weights;
  std::vector<oci::BlockIoDevice> leaf_weights;
  for (const auto& device : block_io.weight_device) {
    if (device.value != 0) weights.push_back(device);
    if (device.leaf_weight != 0) leaf_weights.push_back({device.major, device.minor, device.leaf_weight});
  }
  apply_throttle(writer, weights, bfq ? "blkio.bfq.weight_device" : "blkio.weight_device", "weightDevice");
  apply_throttle(writer, leaf_weights, "blkio.leaf_weight_device", "weightDevice");
}

void apply_block_io(const Writer& writer, const oci::BlockIoResources& block_io) {
  apply_weights(writer, block_io);
  apply_throttle(writer, block_io.read_bps, "blkio.throttle.read_bps_device", "throttleReadBpsDevice");
  apply_throttle(writer, block_io.write_bps, "blkio.throttle.write_bps_device", "throttleWriteBpsDevice");
  apply_throttle(writer, block_io.read_iops, "blkio.throttle.read_iops_device", "throttleReadIOPSDevice");
  apply_throttle(writer, block_io.write_iops, "blkio.throttle.write_iops_device", "throttleWriteIOPSDevice");
}

void apply_network(const Writer& writer, const oci::NetworkResources& network) {
  if (network.class_id.value_or(0) != 0) {
    writer.write_if(network.class_id, "net_cls", "net_cls.classid", "network.classID");
  }
  for (const auto& [interface, priority] : network.priorities) {
    writer.write("net_prio", "net_prio.ifpriomap", interface + " " + std::to_string(priority), "network.priorities");
  }
}

}  // namespace

void apply_v1_limits(const std::map<std::string, std::string>& paths, const oci::Resources& resources,
                     base::Rollback* undo) {
  const Writer writer(paths, undo);
  if (!resources.unified.empty()) throw std::runtime_error("linux.resources.unified: this host has cgroup v1");
  if (resources.pids_limit) {
    writer.write("pids", "pids.max", pids_limit_text(*resources.pids_limit), "pids.limit");
  }
  if (resources.memory) apply_memory(writer, *resources.memory);
  if (resources.cpu) apply_cpu(writer, *resources.cpu);
  if (resources.block_io) apply_block_io(writer, *resources.block_io);
  for (const auto& limit : resources.hugepage_limits) apply_hugepages(writer, limit);
  for (const auto& [device, limit] : resources.rdma) writer.write("rdma", "rdma.max", rdma_text(device, limit), "rdma");
  if (resources.network) apply_network(writer, *resources.network);
}

void apply_v1_devices(const std::map<std::string, std::string>& paths, const std::vector<oci::DeviceRule>& configured) {
  if (configured.empty() && !paths.contains("devices")) return;
  try_device_rules(configured, [&] {
    const Writer writer(paths, nullptr);
    // As on v2: what no rule allows is denied. A new v1 cgroup has what its parent has.
    writer.write("devices", "devices.deny", "a", "devices");
    for (const auto& rule : complete_device_rules(configured)) apply_device_rule(writer, rule);
  });
}

}  // namespace berth::runtime
