#include "container/stats_json.h"

#include "base/json.h"

namespace berth::runtime {

namespace {

using base::Json;

void put(Json& object, const char* key, uint64_t value) {
  if (value != 0) object[key] = value;
}
void put(Json& object, const char* key, const std::vector<uint64_t>& values) {
  if (!values.empty()) object[key] = values;
}

Json pressure_line(const CgroupStats::PressureLine& line) {
  return Json{{"avg10", line.avg10}, {"avg60", line.avg60}, {"avg300", line.avg300}, {"total", line.total}};
}

void put(Json& object, const std::optional<CgroupStats::Pressure>& pressure) {
  if (pressure) object["psi"] = Json{{"some", pressure_line(pressure->some)}, {"full", pressure_line(pressure->full)}};
}

Json cpu_json(const CgroupStats::Cpu& cpu) {
  Json json;
  auto& usage = json["usage"] = Json::object();
  put(usage, "total", cpu.total);
  put(usage, "percpu", cpu.percpu);
  put(usage, "percpu_kernel", cpu.percpu_kernel);
  put(usage, "percpu_user", cpu.percpu_user);
  usage["kernel"] = cpu.kernel;
  usage["user"] = cpu.user;
  auto& throttling = json["throttling"] = Json::object();
  put(throttling, "periods", cpu.periods);
  put(throttling, "throttledPeriods", cpu.throttled_periods);
  put(throttling, "throttledTime", cpu.throttled_time);
  put(json, cpu.pressure);
  return json;
}

Json cpuset_json(const CgroupStats::Cpuset& cpuset) {
  Json json;
  const auto put_flag = [&](const char* name) {
    const auto flag = cpuset.flags.find(name);
    json[name] = flag == cpuset.flags.end() ? 0 : flag->second;
  };
  put(json, "cpus", cpuset.cpus);
  put_flag("cpu_exclusive");
  put(json, "mems", cpuset.mems);
  for (const char* name : {"mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
                           "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level"}) {
    put_flag(name);
  }
  return json;
}

Json counter_json(const CgroupStats::MemoryCounter& counter) {
  Json json;
  json["limit"] = counter.limit;
  put(json, "usage", counter.usage);
  put(json, "max", counter.max);
  json["failcnt"] = counter.failures;
  return json;
}

Json memory_json(const CgroupStats::Memory& memory) {
  Json json;
  put(json, "cache", memory.cache);
  json["usage"] = counter_json(memory.memory);
  json["swap"] = counter_json(memory.swap);
  json["kernel"] = counter_json(memory.kernel);
  json["kernelTCP"] = counter_json(memory.kernel_tcp);
  if (!memory.raw.empty()) json["raw"] = memory.raw;
  put(json, memory.pressure);
  return json;
}

Json block_io_json(const CgroupStats& stats) {
  Json json = Json::object();
  for (const char* name :
       {"ioServiceBytesRecursive", "ioServicedRecursive", "ioQueueRecursive", "ioServiceTimeRecursive",
        "ioWaitTimeRecursive", "ioMergedRecursive", "ioTimeRecursive", "sectorsRecursive"}) {
    const auto entries = stats.block_io.find(name);
    if (entries == stats.block_io.end()) continue;
    auto& list = json[name] = Json::array();
    for (const auto& entry : entries->second) {
      Json each = Json::object();
      put(each, "major", entry.major);
      put(each, "minor", entry.minor);
      if (!entry.operation.empty()) each["op"] = entry.operation;
      put(each, "value", entry.value);
      list.push_back(each);
    }
  }
  put(json, stats.block_io_pressure);
  return json;
}

}  // namespace

Json stats_json(const CgroupStats& stats) {
  Json json;
  json["cpu"] = cpu_json(stats.cpu);
  json["cpuset"] = cpuset_json(stats.cpuset);
  json["memory"] = memory_json(stats.memory);
  auto& pids = json["pids"] = Json::object();
  put(pids, "current", stats.pids.current);
  put(pids, "limit", stats.pids.limit);
  json["blkio"] = block_io_json(stats);
  auto& hugetlb = json["hugetlb"] = Json::object();
  for (const auto& [size, counter] : stats.hugetlb) {
    auto& each = hugetlb[size] = Json::object();
    put(each, "usage", counter.usage);
    put(each, "max", counter.max);
    each["failcnt"] = counter.failures;
  }
  json["intel_rdt"] = Json::object();
  json["network_interfaces"] = nullptr;
  return json;
}

}  // namespace berth::runtime
