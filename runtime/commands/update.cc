#include <unistd.h>

#include <charconv>
#include <stdexcept>

#include "base/file.h"
#include "base/json.h"
#include "cgroups/resctrl.h"
#include "commands/command.h"
#include "commands/command_line.h"
#include "commands/size.h"
#include "container/lifecycle.h"

namespace berth::runtime {

namespace {

enum class Kind { kSigned, kUnsigned, kSize, kText };

/// A flag that is one value of a LinuxResources object.
struct Limit {
  const char* flag;
  const char* part;
  const char* key;
  Kind kind;
  const char* help;  ///< nullptr: obsolete, ignored and not shown.
};

constexpr Limit kLimits[] = {
    {"blkio-weight", "blockIO", "weight", Kind::kUnsigned, "weight of its block I/O, 10 to 1000"},
    {"cpu-period", "cpu", "period", Kind::kUnsigned, "period of the CPU limit, in microseconds"},
    {"cpu-quota", "cpu", "quota", Kind::kSigned, "CPU time in a period, in microseconds (-1: no limit)"},
    {"cpu-burst", "cpu", "burst", Kind::kUnsigned, "CPU time that may be saved up, in microseconds"},
    {"cpu-share", "cpu", "shares", Kind::kUnsigned, "CPU shares, relative to others"},
    {"cpu-rt-period", "cpu", "realtimePeriod", Kind::kUnsigned, "period of the realtime limit, in microseconds"},
    {"cpu-rt-runtime", "cpu", "realtimeRuntime", Kind::kSigned, "realtime in a period, in microseconds"},
    {"cpuset-cpus", "cpu", "cpus", Kind::kText, "CPUs to use: 0-3,7"},
    {"cpuset-mems", "cpu", "mems", Kind::kText, "memory nodes to use: 0,1"},
    {"cpu-idle", "cpu", "idle", Kind::kSigned, "1: runs only when a CPU is idle; 0: as others"},
    {"memory", "memory", "limit", Kind::kSize, "memory in bytes, or with a unit: k, m, g (-1: no limit)"},
    {"memory-reservation", "memory", "reservation", Kind::kSize, "memory that is left to it when it is scarce"},
    {"memory-swap", "memory", "swap", Kind::kSize, "memory and swap together (-1: no limit)"},
    {"kernel-memory", "memory", "kernel", Kind::kSize, nullptr},
    {"kernel-memory-tcp", "memory", "kernelTCP", Kind::kSize, nullptr},
    {"pids-limit", "pids", "limit", Kind::kSigned, "number of processes and threads (-1: no limit)"},
};

template <class Number>
base::Json number_of(const std::string& text) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end) throw std::runtime_error("\"" + text + "\" is not such a number");
  return number;
}

base::Json value_of(const Limit& limit, const std::string& text) {
  try {
    switch (limit.kind) {
      case Kind::kSigned:
        return number_of<int64_t>(text);
      case Kind::kUnsigned:
        return number_of<uint64_t>(text);
      case Kind::kSize:
        return parse_size(text);
      case Kind::kText:
        break;
    }
    return text;
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(std::string("invalid value for ") + limit.flag + ": " + error.what());
  }
}

/// With what a file says, - for stdin.
void update_by_file(Store& store, const std::string& id, const std::string& file) {
  const auto text = file == "-" ? base::read_all(STDIN_FILENO, "stdin") : base::read_file(file);
  try {
    update_container(store, id, base::parse_json(text));
  } catch (const base::JsonError& error) {
    throw std::runtime_error((file == "-" ? "stdin" : file) + ": " + error.what());
  }
}

base::Json resources_of(const std::string (&values)[std::size(kLimits)]) {
  base::Json resources = base::Json::object();
  for (size_t i = 0; i < std::size(kLimits); ++i) {
    const auto& limit = kLimits[i];
    if (!values[i].empty()) resources[limit.part][limit.key] = value_of(limit, values[i]);
  }
  return resources;
}

}  // namespace

int update_command(const Globals& globals, const Words& words) {
  std::string file;
  std::string l3_cache_schema;
  std::string memory_bandwidth_schema;
  std::string values[std::size(kLimits)];
  CommandLine line({"berth update", "change the limits of a container", "<container-id>",
                    "What is not given stays as it is. With --resources the other flags are ignored."});
  line.value("resources,r", file, "file with a LinuxResources object of the specification, - for stdin");
  for (size_t i = 0; i < std::size(kLimits); ++i) line.value(kLimits[i].flag, values[i], kLimits[i].help);
  line.value("l3-cache-schema", l3_cache_schema, "Intel RDT: L3 cache");
  line.value("mem-bw-schema", memory_bandwidth_schema, "Intel RDT: memory bandwidth");
  const auto id = line.parse(words, 1, 1)[0];
  auto store = globals.store();
  const auto record = store.load(id);  // an unknown container is reported before anything else
  if (record.resctrl.empty()) {
    if (!l3_cache_schema.empty()) throw std::runtime_error("Intel RDT/CAT: l3 cache schema is not enabled");
    if (!memory_bandwidth_schema.empty())
      throw std::runtime_error("Intel RDT/MBA: memory bandwidth schema is not enabled");
  }

  if (file.empty()) {
    update_container(store, id, resources_of(values));
  } else {
    update_by_file(store, id, file);
  }
  if (!l3_cache_schema.empty()) write_schemata(record.resctrl, l3_cache_schema, "--l3-cache-schema");
  if (!memory_bandwidth_schema.empty()) write_schemata(record.resctrl, memory_bandwidth_schema, "--mem-bw-schema");
  return 0;
}

}  // namespace berth::runtime
