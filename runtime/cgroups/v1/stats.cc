#include <unistd.h>

#include <sstream>

#include "base/text.h"
#include "cgroups/stat_files.h"
#include "cgroups/v1/v1.h"

namespace berth::runtime {

namespace {

using stat_files::flat;
using stat_files::number;

CgroupStats::Cpu read_cpu(const std::string& cpu, const std::string& cpuacct) {
  CgroupStats::Cpu stats;
  auto throttling = flat(cpu + "/cpu.stat");
  stats.periods = throttling["nr_periods"];
  stats.throttled_periods = throttling["nr_throttled"];
  stats.throttled_time = throttling["throttled_time"];
  stats.total = number(cpuacct + "/cpuacct.usage");
  // In ticks.
  auto usage = flat(cpuacct + "/cpuacct.stat");
  const auto tick = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  stats.user = usage["user"] * tick;
  stats.kernel = usage["system"] * tick;
  std::istringstream percpu(stat_files::text(cpuacct + "/cpuacct.usage_percpu"));
  for (uint64_t value = 0; percpu >> value;) stats.percpu.push_back(value);
  std::istringstream all(stat_files::text(cpuacct + "/cpuacct.usage_all"));
  std::string header;
  std::getline(all, header);
  uint64_t processor = 0;
  uint64_t user = 0;
  uint64_t kernel = 0;
  while (all >> processor >> user >> kernel) {
    stats.percpu_user.push_back(user);
    stats.percpu_kernel.push_back(kernel);
  }
  return stats;
}

CgroupStats::Cpuset read_cpuset(const std::string& directory) {
  CgroupStats::Cpuset stats;
  stats.cpus = stat_files::list(stat_files::text(directory + "/cpuset.cpus"));
  stats.mems = stat_files::list(stat_files::text(directory + "/cpuset.mems"));
  for (const char* file : {"cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
                           "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level"}) {
    stats.flags[file] = std::strtoll(stat_files::text(directory + "/cpuset." + file).c_str(), nullptr, 10);
  }
  return stats;
}

/// `name` is "memory", "memory.memsw", …
CgroupStats::MemoryCounter read_counter(const std::string& directory, const std::string& name) {
  const auto file = directory + "/" + name + ".";
  return {number(file + "limit_in_bytes"), number(file + "usage_in_bytes"), number(file + "max_usage_in_bytes"),
          number(file + "failcnt")};
}

CgroupStats::Memory read_memory(const std::string& directory) {
  CgroupStats::Memory stats;
  stats.raw = flat(directory + "/memory.stat");
  const auto cache = stats.raw.find("cache");
  if (cache != stats.raw.end()) stats.cache = cache->second;
  stats.memory = read_counter(directory, "memory");
  stats.swap = read_counter(directory, "memory.memsw");
  stats.kernel = read_counter(directory, "memory.kmem");
  stats.kernel_tcp = read_counter(directory, "memory.kmem.tcp");
  return stats;
}

/// "8:0 Read 4096" or "8:0 4096"; a line "Total 4096" is no device's.
std::vector<CgroupStats::BlockIoEntry> read_entries(const std::string& path) {
  std::vector<CgroupStats::BlockIoEntry> entries;
  for (const auto& line : base::split(stat_files::text(path), '\n')) {
    const auto fields = base::split(line, ' ');
    const auto colon = fields[0].find(':');
    if (fields.size() < 2 || colon == std::string::npos) continue;
    CgroupStats::BlockIoEntry entry;
    entry.major = std::strtoull(fields[0].c_str(), nullptr, 10);
    entry.minor = std::strtoull(fields[0].c_str() + colon + 1, nullptr, 10);
    if (fields.size() > 2) entry.operation = fields[1];
    entry.value = std::strtoull(fields.back().c_str(), nullptr, 10);
    entries.push_back(entry);
  }
  return entries;
}

/// BFQ counts if it has any device; CFQ did; throttling counts for every scheduler.
void read_block_io(const std::string& directory, CgroupStats& stats) {
  const std::pair<const char*, const char*> kinds[] = {
      {"ioServiceBytesRecursive", "io_service_bytes"},
      {"ioServicedRecursive", "io_serviced"},
      {"ioQueueRecursive", "io_queued"},
      {"ioServiceTimeRecursive", "io_service_time"},
      {"ioWaitTimeRecursive", "io_wait_time"},
      {"ioMergedRecursive", "io_merged"},
      {"ioTimeRecursive", "time"},
      {"sectorsRecursive", "sectors"},
  };
  for (const auto& [name, file] : kinds) {
    for (const char* prefix : {"/blkio.bfq.", "/blkio.", "/blkio.throttle."}) {
      auto entries = read_entries(directory + prefix + file + "_recursive");
      if (entries.empty()) continue;
      stats.block_io[name] = std::move(entries);
      break;
    }
  }
}

}  // namespace

CgroupStats read_v1_stats(const std::map<std::string, std::string>& paths) {
  CgroupStats stats;
  // Without a controller its files are not there.
  const auto directory = [&](const char* controller) {
    const auto found = paths.find(controller);
    return found == paths.end() ? std::string("/nonexistent") : found->second;
  };
  stats.cpu = read_cpu(directory("cpu"), directory("cpuacct"));
  stats.cpuset = read_cpuset(directory("cpuset"));
  stats.memory = read_memory(directory("memory"));
  stats.pids.current = number(directory("pids") + "/pids.current");
  const auto limit = stat_files::text(directory("pids") + "/pids.max");
  stats.pids.limit = std::strtoull(limit.c_str(), nullptr, 10);
  read_block_io(directory("blkio"), stats);
  for (const auto& size : stat_files::huge_page_sizes(directory("hugetlb"), "usage_in_bytes")) {
    stats.hugetlb[size] = read_counter(directory("hugetlb"), "hugetlb." + size);
  }
  return stats;
}

}  // namespace berth::runtime
