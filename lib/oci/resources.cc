#include "base/json.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

std::vector<DeviceRule> read_device_rules(const base::JsonObject& resources) {
  std::vector<DeviceRule> rules;
  for (const auto& object : resources.objects("devices")) {
    DeviceRule rule;
    const auto allow = object.boolean("allow");
    if (!allow) throw base::JsonError("missing " + object.path_of("allow"));
    rule.allow = *allow;
    const auto type = object.string("type").value_or("");
    if (!type.empty() && type != "a" && type != "b" && type != "c") {
      reject(object.path_of("type"), "expected a, b or c, got \"" + type + "\"");
    }
    rule.type = type.empty() ? 'a' : type[0];
    rule.major = object.integer("major", -1).value_or(-1);
    rule.minor = object.integer("minor", -1).value_or(-1);
    rule.access = object.string("access").value_or("");
    if (rule.access.find_first_not_of("rwm") != std::string::npos) {
      reject(object.path_of("access"), "expected letters of \"rwm\", got \"" + rule.access + "\"");
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

MemoryResources read_memory(const base::JsonObject& object) {
  MemoryResources memory;
  memory.limit = object.integer("limit", -1);
  memory.reservation = object.integer("reservation", -1);
  memory.swap = object.integer("swap", -1);
  memory.swappiness = object.unsigned_integer("swappiness", 100);
  memory.disable_oom_killer = object.boolean("disableOOMKiller");
  memory.check_before_update = object.boolean("checkBeforeUpdate");
  return memory;
}

CpuResources read_cpu(const base::JsonObject& object) {
  CpuResources cpu;
  cpu.shares = object.unsigned_integer("shares");
  cpu.quota = object.integer("quota");
  cpu.burst = object.unsigned_integer("burst");
  cpu.period = object.unsigned_integer("period");
  cpu.realtime_runtime = object.integer("realtimeRuntime");
  cpu.realtime_period = object.unsigned_integer("realtimePeriod");
  cpu.cpus = object.string("cpus").value_or("");
  cpu.mems = object.string("mems").value_or("");
  cpu.idle = object.integer("idle", 0, 1);
  return cpu;
}

int64_t required_number(const base::JsonObject& object, const char* key) {
  const auto value = object.integer(key, 0);
  if (!value) throw base::JsonError("missing " + object.path_of(key));
  return *value;
}

/// `value_key` is "rate" or "weight".
std::vector<BlockIoDevice> read_block_devices(const base::JsonObject& block_io, const char* key, const char* value_key,
                                              uint64_t highest) {
  std::vector<BlockIoDevice> devices;
  for (const auto& object : block_io.objects(key)) {
    BlockIoDevice device;
    device.major = required_number(object, "major");
    device.minor = required_number(object, "minor");
    if (object.unsigned_integer("leafWeight").value_or(0) != 0) {
      throw base::JsonError(object.path_of("leafWeight") + " is not supported yet");
    }
    device.value = object.unsigned_integer(value_key, highest).value_or(0);
    devices.push_back(device);
  }
  return devices;
}

BlockIoResources read_block_io(const base::JsonObject& object) {
  constexpr uint64_t kHighestWeight = 10'000;
  constexpr uint64_t kHighestRate = std::numeric_limits<uint64_t>::max();
  BlockIoResources block_io;
  if (const auto weight = object.unsigned_integer("weight", kHighestWeight)) {
    block_io.weight = static_cast<uint16_t>(*weight);
  }
  block_io.weight_device = read_block_devices(object, "weightDevice", "weight", kHighestWeight);
  block_io.read_bps = read_block_devices(object, "throttleReadBpsDevice", "rate", kHighestRate);
  block_io.write_bps = read_block_devices(object, "throttleWriteBpsDevice", "rate", kHighestRate);
  block_io.read_iops = read_block_devices(object, "throttleReadIOPSDevice", "rate", kHighestRate);
  block_io.write_iops = read_block_devices(object, "throttleWriteIOPSDevice", "rate", kHighestRate);
  return block_io;
}

bool is_page_size(const std::string& text) {
  const auto digits = text.find_first_not_of("0123456789");
  return digits != 0 && digits != std::string::npos && text[0] != '0' &&
         (text.substr(digits) == "KB" || text.substr(digits) == "MB" || text.substr(digits) == "GB");
}

std::vector<HugepageLimit> read_hugepage_limits(const base::JsonObject& resources) {
  std::vector<HugepageLimit> limits;
  for (const auto& object : resources.objects("hugepageLimits")) {
    HugepageLimit limit;
    limit.page_size = object.required_string("pageSize");
    if (!is_page_size(limit.page_size)) {
      reject(object.path_of("pageSize"), "expected a size like \"2MB\", got \"" + limit.page_size + "\"");
    }
    const auto value = object.unsigned_integer("limit");
    if (!value) throw base::JsonError("missing " + object.path_of("limit"));
    limit.limit = *value;
    limits.push_back(std::move(limit));
  }
  return limits;
}

std::map<std::string, std::string> read_unified(const base::JsonObject& resources) {
  std::map<std::string, std::string> unified;
  for (auto& [key, value] : resources.string_map("unified")) {
    if (key.empty() || key.find('/') != std::string::npos || key == "." || key == "..") {
      reject(resources.path_of("unified"), "unified resource \"" + key + "\" must be a file name (no slashes)");
    }
    unified[key] = std::move(value);
  }
  return unified;
}

}  // namespace

Resources read_resources(const base::JsonObject& object) {
  Resources resources;
  resources.devices = read_device_rules(object);
  if (const auto memory = object.object("memory")) resources.memory = read_memory(*memory);
  if (const auto cpu = object.object("cpu")) resources.cpu = read_cpu(*cpu);
  if (const auto pids = object.object("pids")) resources.pids_limit = pids->integer("limit");
  if (const auto block_io = object.object("blockIO")) resources.block_io = read_block_io(*block_io);
  resources.hugepage_limits = read_hugepage_limits(object);
  resources.unified = read_unified(object);
  return resources;
}

}  // namespace berth::oci
