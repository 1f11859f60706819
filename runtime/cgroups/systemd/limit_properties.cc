#include "cgroups/systemd/limit_properties.h"

#include <charconv>
#include <limits>
#include <optional>
#include <stdexcept>

#include "base/text.h"
#include "cgroups/limit_text.h"
#include "cgroups/v2/v2.h"

namespace berth::runtime {

namespace {

// The first versions of systemd with a property.
constexpr int kHasQuotaPeriod = 242;
constexpr int kHasCpuset = 244;
constexpr int kHasIdle = 252;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kDefaultPeriod = 100'000;
constexpr uint64_t kSecond = 1'000'000;
constexpr uint64_t kQuotaStep = 10'000;

uint64_t or_unlimited(int64_t value) {
  return value < 0 ? kUnlimited : static_cast<uint64_t>(value);
}

/// Microseconds of CPU time for each second.
uint64_t quota_per_second(uint64_t quota, uint64_t period) {
  if (quota > kUnlimited / kSecond) return kUnlimited;
  const uint64_t exact = quota * kSecond / (period == 0 ? kDefaultPeriod : period);
  return (exact + kQuotaStep - 1) / kQuotaStep * kQuotaStep;
}

std::optional<uint64_t> parse_number(const std::string& text) {
  if (text == "max") return kUnlimited;
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

/// Collects the properties of one unit.
class Collector {
 public:
  explicit Collector(int version) : version_(version) {}

  void add(const char* name, dbus::Value value) { properties_.emplace_back(name, std::move(value)); }

  /// In microseconds; 0: not given.
  void add_quota(int64_t quota, uint64_t period) {
    if (quota == 0 && period == 0) return;
    if (period != 0 && version_ >= kHasQuotaPeriod) add("CPUQuotaPeriodUSec", period);
    add("CPUQuotaPerSecUSec", quota > 0 ? quota_per_second(static_cast<uint64_t>(quota), period) : kUnlimited);
  }

  void add_cpuset(const std::string& cpus, const std::string& mems, const std::string& cpus_key,
                  const std::string& mems_key) {
    if (version_ < kHasCpuset) return;
    if (!cpus.empty()) add("AllowedCPUs", bit_mask(cpus, cpus_key));
    if (!mems.empty()) add("AllowedMemoryNodes", bit_mask(mems, mems_key));
  }

  void add_tasks(const oci::Resources& resources) {
    if (const auto limit = resources.pids_limit) add("TasksMax", or_unlimited(*limit == 0 ? 1 : *limit));
  }

  /// The weight of an idle group is 0.
  void add_weight(const oci::CpuResources& cpu) {
    const auto weight = weight_of_shares(cpu.shares.value_or(0));
    const bool knows_idle = version_ >= kHasIdle;
    if (cpu.idle == 1) {
      if (knows_idle) add("CPUWeight", uint64_t{0});
    } else if (weight != 0) {
      add("CPUWeight", weight);
    } else if (cpu.idle && knows_idle) {
      add("CPUWeight", kUnlimited);  // none of its own: no longer idle
    }
  }

  int version() const { return version_; }
  dbus::Properties take() { return std::move(properties_); }

 private:
  int version_;
  dbus::Properties properties_;
};

void add_memory(Collector& unit, const oci::MemoryResources& memory) {
  const auto limit = memory.limit.value_or(0);
  if (limit != 0) unit.add("MemoryMax", or_unlimited(limit));
  if (memory.reservation.value_or(0) != 0) unit.add("MemoryLow", or_unlimited(*memory.reservation));
  if (const auto swap = swap_without_memory(limit, memory.swap.value_or(0))) {
    unit.add("MemorySwapMax", or_unlimited(*swap));
  }
}

void add_block_io(Collector& unit, const oci::BlockIoResources& block_io) {
  if (block_io.weight) unit.add("IOWeight", io_weight_of(*block_io.weight));
  std::vector<std::pair<std::string, uint64_t>> devices;
  for (const auto& device : block_io.weight_device) {
    if (device.value == 0) continue;
    devices.emplace_back("/dev/block/" + std::to_string(device.major) + ":" + std::to_string(device.minor),
                         io_weight_of(device.value));
  }
  if (!devices.empty()) unit.add("IODeviceWeight", devices);
}

/// Files whose content is one number, and their properties.
constexpr std::pair<const char*, const char*> kNumberFiles[] = {
    {"cpu.weight", "CPUWeight"}, {"memory.high", "MemoryHigh"}, {"memory.low", "MemoryLow"},
    {"memory.max", "MemoryMax"}, {"memory.min", "MemoryMin"},   {"memory.swap.max", "MemorySwapMax"},
    {"pids.max", "TasksMax"},
};

/// "50000 100000", "max", …
void add_cpu_max(Collector& unit, const std::string& value) {
  const auto words = base::split(value, ' ');
  if (words.empty() || words.size() > 2) return;
  const auto quota = parse_number(words[0]);
  const auto period = words.size() == 2 ? parse_number(words[1]) : kDefaultPeriod;
  if (!quota || !period) return;
  unit.add_quota(*quota == kUnlimited ? -1 : static_cast<int64_t>(*quota), *period);
}

/// What systemd has no property for, or what is not written as expected, is the files' alone.
void add_unified(Collector& unit, const std::string& file, const std::string& value) {
  if (file == "cpu.max") return add_cpu_max(unit, value);
  if (file == "cpu.idle" && value == "1" && unit.version() >= kHasIdle) return unit.add("CPUWeight", uint64_t{0});
  if (file == "cpuset.cpus") return unit.add_cpuset(value, "", "unified.cpuset.cpus", "");
  if (file == "cpuset.mems") return unit.add_cpuset("", value, "", "unified.cpuset.mems");
  for (const auto& [name, property] : kNumberFiles) {
    const auto number = parse_number(value);
    if (file == name && number) unit.add(property, *number);
  }
}

uint64_t parse_bit(const std::string& text, const std::string& list, const std::string& key) {
  constexpr uint64_t kMost = 65535;
  const auto bit = parse_number(text);
  if (bit && *bit <= kMost) return *bit;
  throw std::runtime_error("linux.resources." + key + ": \"" + list + "\" is not a list of numbers such as 0-3,7");
}

}  // namespace

dbus::Properties v2_limit_properties(const oci::Resources& resources, int version) {
  Collector unit(version);
  if (resources.memory) add_memory(unit, *resources.memory);
  if (const auto& cpu = resources.cpu) {
    unit.add_weight(*cpu);
    unit.add_quota(cpu->quota.value_or(0), cpu->period.value_or(0));
    unit.add_cpuset(cpu->cpus, cpu->mems, "cpu.cpus", "cpu.mems");
  }
  unit.add_tasks(resources);
  if (resources.block_io) add_block_io(unit, *resources.block_io);
  for (const auto& [file, value] : resources.unified) add_unified(unit, file, value);
  return unit.take();
}

dbus::Properties v1_limit_properties(const oci::Resources& resources, int version) {
  Collector unit(version);
  if (resources.memory && resources.memory->limit.value_or(0) != 0) {
    unit.add("MemoryLimit", or_unlimited(*resources.memory->limit));
  }
  if (const auto& cpu = resources.cpu) {
    if (cpu->shares.value_or(0) != 0) unit.add("CPUShares", *cpu->shares);
    unit.add_quota(cpu->quota.value_or(0), cpu->period.value_or(0));
    unit.add_cpuset(cpu->cpus, cpu->mems, "cpu.cpus", "cpu.mems");
  }
  unit.add_tasks(resources);
  if (resources.block_io && resources.block_io->weight) {
    unit.add("BlockIOWeight", static_cast<uint64_t>(*resources.block_io->weight));
  }
  return unit.take();
}

oci::Resources rounded_for_systemd(oci::Resources resources) {
  if (!resources.cpu || resources.cpu->quota.value_or(0) <= 0) return resources;
  auto& cpu = *resources.cpu;
  const uint64_t period = cpu.period.value_or(0) == 0 ? kDefaultPeriod : *cpu.period;
  const uint64_t per_second = quota_per_second(static_cast<uint64_t>(*cpu.quota), period);
  if (per_second < kUnlimited / period) cpu.quota = static_cast<int64_t>(per_second * period / kSecond);
  return resources;
}

std::vector<uint8_t> bit_mask(const std::string& list, const std::string& key) {
  constexpr size_t kBits = 8;
  std::vector<uint8_t> mask;
  for (const auto& part : base::split(list, ',')) {
    const auto dash = part.find('-');
    const auto first = parse_bit(part.substr(0, dash), list, key);
    const auto last = dash == std::string::npos ? first : parse_bit(part.substr(dash + 1), list, key);
    if (last < first) parse_bit("", list, key);
    if (mask.size() <= last / kBits) mask.resize(last / kBits + 1);
    for (auto bit = first; bit <= last; ++bit) mask[bit / kBits] |= static_cast<uint8_t>(1U << (bit % kBits));
  }
  return mask;
}

}  // namespace berth::runtime
