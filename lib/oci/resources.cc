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
  for (const char* key : {"kernel", "kernelTCP"}) {
    if (object.integer(key, -1).value_or(0) > 0) memory.has_kernel_limits = true;
  }
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

/// A weight of blkio; 0, as Go's clients write what they leave out, is none.
std::optional<uint16_t> weight_of(const base::JsonObject& object, const char* key) {
  constexpr uint64_t kLowest = 10;
  constexpr uint64_t kHighest = 1000;
  const auto weight = object.unsigned_integer(key).value_or(0);
  if (weight == 0) return std::nullopt;
  if (weight < kLowest || weight > kHighest) {
    reject(object.path_of(key), "expected a weight of 10 to 1000, got " + std::to_string(weight));
  }
  return static_cast<uint16_t>(weight);
}

BlockIoDevice read_block_device(const base::JsonObject& object) {
  BlockIoDevice device;
  device.major = required_number(object, "major");
  device.minor = required_number(object, "minor");
  return device;
}

std::vector<BlockIoDevice> read_rates(const base::JsonObject& block_io, const char* key) {
  std::vector<BlockIoDevice> devices;
  for (const auto& object : block_io.objects(key)) {
    devices.push_back(read_block_device(object));
    const auto rate = object.unsigned_integer("rate");
    if (!rate) throw base::JsonError("missing " + object.path_of("rate"));
    devices.back().value = *rate;
  }
  return devices;
}

std::vector<BlockIoDevice> read_weight_devices(const base::JsonObject& block_io) {
  std::vector<BlockIoDevice> devices;
  for (const auto& object : block_io.objects("weightDevice")) {
    devices.push_back(read_block_device(object));
    if (!object.has("weight") && !object.has("leafWeight")) reject(object.path(), "needs a weight or a leafWeight");
    devices.back().value = weight_of(object, "weight").value_or(0);
    devices.back().leaf_weight = weight_of(object, "leafWeight").value_or(0);
  }
  return devices;
}

BlockIoResources read_block_io(const base::JsonObject& object) {
  BlockIoResources block_io;
  block_io.weight = weight_of(object, "weight");
  block_io.leaf_weight = weight_of(object, "leafWeight");
  block_io.weight_device = read_weight_devices(object);
  block_io.read_bps = read_rates(object, "throttleReadBpsDevice");
  block_io.write_bps = read_rates(object, "throttleWriteBpsDevice");
  block_io.read_iops = read_rates(object, "throttleReadIOPSDevice");
  block_io.write_iops = read_rates(object, "throttleWriteIOPSDevice");
  return block_io;
}

std::optional<uint32_t> optional_uint32(const base::JsonObject& object, const char* key) {
  const auto value = object.unsigned_integer(key, std::numeric_limits<uint32_t>::max());
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

NetworkResources read_network(const base::JsonObject& object) {
  NetworkResources network;
  network.class_id = optional_uint32(object, "classID");
  for (const auto& entry : object.objects("priorities")) {
    const auto name = entry.required_string("name");
    if (name.empty() || name.find_first_of(" \n") != std::string::npos) {
      reject(entry.path_of("name"), "\"" + name + "\" is not the name of an interface");
    }
    const auto priority = optional_uint32(entry, "priority");
    if (!priority) throw base::JsonError("missing " + entry.path_of("priority"));
    network.priorities[name] = *priority;
  }
  return network;
}

std::map<std::string, RdmaLimit> read_rdma(const base::JsonObject& resources) {
  std::map<std::string, RdmaLimit> limits;
  const auto object = resources.object("rdma");
  if (!object) return limits;
  for (auto it = object->raw().begin(); it != object->raw().end(); ++it) {
    const base::JsonObject entry(*it, object->path_of(it.key()));
    if (it.key().empty() || it.key().find_first_of(" \n") != std::string::npos) {
      reject(object->path(), "\"" + it.key() + "\" is not the name of a device");
    }
    const RdmaLimit limit{optional_uint32(entry, "hcaHandles"), optional_uint32(entry, "hcaObjects")};
    if (!limit.handles && !limit.objects) reject(entry.path(), "needs hcaHandles or hcaObjects");
    limits[it.key()] = limit;
  }
  return limits;
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
  if (const auto network = object.object("network")) resources.network = read_network(*network);
  resources.rdma = read_rdma(object);
  resources.unified = read_unified(object);
  return resources;
}

}  // namespace berth::oci
