#include <limits>

#include "base/text.h"
#include "cgroups/stat_files.h"
#include "cgroups/v2/v2.h"

namespace berth::runtime {

namespace {

using stat_files::flat;
using stat_files::number;

CgroupStats::Cpu read_cpu(const std::string& directory) {
  constexpr uint64_t kMicrosecond = 1000;
  CgroupStats::Cpu stats;
  auto values = flat(directory + "/cpu.stat");
  stats.total = values["usage_usec"] * kMicrosecond;
  stats.user = values["user_usec"] * kMicrosecond;
  stats.kernel = values["system_usec"] * kMicrosecond;
  stats.periods = values["nr_periods"];
  stats.throttled_periods = values["nr_throttled"];
  stats.throttled_time = values["throttled_usec"] * kMicrosecond;
  stats.pressure = stat_files::pressure(directory + "/cpu.pressure");
  return stats;
}

CgroupStats::Memory read_memory(const std::string& directory) {
  constexpr auto kUnlimited = std::numeric_limits<uint64_t>::max();
  CgroupStats::Memory stats;
  stats.raw = flat(directory + "/memory.stat");
  const auto file = stats.raw.find("file");
  if (file != stats.raw.end()) stats.cache = file->second;
  stats.memory = {number(directory + "/memory.max"), number(directory + "/memory.current"),
                  number(directory + "/memory.peak"), flat(directory + "/memory.events")["max"]};
  // Clients know the sum, as v1 has it. The largest sum is not known.
  const auto limit = number(directory + "/memory.swap.max");
  stats.swap.limit = limit == kUnlimited || stats.memory.limit == kUnlimited ? kUnlimited : limit + stats.memory.limit;
  stats.swap.usage = number(directory + "/memory.swap.current") + stats.memory.usage;
  stats.pressure = stat_files::pressure(directory + "/memory.pressure");
  return stats;
}

/// "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0"
void read_block_io(const std::string& directory, CgroupStats& stats) {
  struct Kind {
    const char* key;
    const char* name;
    const char* operation;
  };
  constexpr Kind kKinds[] = {
      {"rbytes", "ioServiceBytesRecursive", "Read"},    {"wbytes", "ioServiceBytesRecursive", "Write"},
      {"dbytes", "ioServiceBytesRecursive", "Discard"}, {"rios", "ioServicedRecursive", "Read"},
      {"wios", "ioServicedRecursive", "Write"},         {"dios", "ioServicedRecursive", "Discard"},
  };
  for (const auto& line : base::split(stat_files::text(directory + "/io.stat"), '\n')) {
    const auto fields = base::split(line, ' ');
    const auto colon = fields[0].find(':');
    if (colon == std::string::npos) continue;
    for (size_t i = 1; i < fields.size(); ++i) {
      const auto equals = fields[i].find('=');
      for (const auto& kind : kKinds) {
        if (fields[i].substr(0, equals) != kind.key) continue;
        stats.block_io[kind.name].push_back({std::strtoull(fields[0].c_str(), nullptr, 10),
                                             std::strtoull(fields[0].c_str() + colon + 1, nullptr, 10), kind.operation,
                                             std::strtoull(fields[i].c_str() + equals + 1, nullptr, 10)});
      }
    }
  }
  stats.block_io_pressure = stat_files::pressure(directory + "/io.pressure");
}

}  // namespace

CgroupStats read_v2_stats(const std::string& directory) {
  CgroupStats stats;
  stats.cpu = read_cpu(directory);
  stats.memory = read_memory(directory);
  stats.pids.current = number(directory + "/pids.current");
  const auto limit = number(directory + "/pids.max");
  stats.pids.limit = limit == std::numeric_limits<uint64_t>::max() ? 0 : limit;
  read_block_io(directory, stats);
  for (const auto& size : stat_files::huge_page_sizes(directory, "current")) {
    auto& counter = stats.hugetlb[size];
    counter.usage = number(directory + "/hugetlb." + size + ".current");
    counter.failures = flat(directory + "/hugetlb." + size + ".events")["max"];
  }
  return stats;
}

}  // namespace berth::runtime
