#include "oci/settings.h"

#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/personality.h>

#include <charconv>
#include <climits>
#include <limits>
#include <string_view>

#include "base/json.h"
#include "base/text.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

// What the kernels these limits belong to can be built for.
constexpr unsigned kMostCpus = 8192;
constexpr unsigned kMostNodes = 1024;

// Linux 6.9; the headers of Debian 12 end with MPOL_PREFERRED_MANY.
constexpr unsigned kWeightedInterleave = MPOL_PREFERRED_MANY + 1;

// Reserved, but in no released kernel.
constexpr unsigned kSchedIso = 4;

struct Name {
  std::string_view name;
  uint64_t value;
};

constexpr Name kPolicies[] = {
    {"SCHED_OTHER", SCHED_NORMAL},      {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH},       {"SCHED_ISO", kSchedIso},   {"SCHED_IDLE", SCHED_IDLE},
    {"SCHED_DEADLINE", SCHED_DEADLINE},
};

constexpr Name kSchedulerFlags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},   {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
    {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},         {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
    {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},       {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};

/// Of ioprio_set(2); linux/ioprio.h is not always C++.
constexpr Name kIoClasses[] = {
    {"IOPRIO_CLASS_RT", 1},
    {"IOPRIO_CLASS_BE", 2},
    {"IOPRIO_CLASS_IDLE", 3},
};

constexpr Name kDomains[] = {{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}};

constexpr Name kMemoryModes[] = {
    {"MPOL_DEFAULT", MPOL_DEFAULT},
    {"MPOL_PREFERRED", MPOL_PREFERRED},
    {"MPOL_BIND", MPOL_BIND},
    {"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
    {"MPOL_LOCAL", MPOL_LOCAL},
    {"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
    {"MPOL_WEIGHTED_INTERLEAVE", kWeightedInterleave},
};

constexpr Name kMemoryFlags[] = {
    {"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
    {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
    {"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
};

template <size_t n>
uint64_t value_of(const Name (&table)[n], const std::string& name, const std::string& path, const char* kind) {
  for (const auto& entry : table) {
    if (entry.name == name) return entry.value;
  }
  reject(path, std::string("unknown ") + kind + " \"" + name + "\"");
}

template <size_t n>
uint64_t flags_of(const Name (&table)[n], const base::JsonObject& object, const char* kind) {
  uint64_t flags = 0;
  size_t index = 0;
  for (const auto& name : object.strings("flags")) {
    flags |= value_of(table, name, object.path_of("flags") + "[" + std::to_string(index++) + "]", kind);
  }
  return flags;
}

template <size_t n>
std::vector<std::string> names_of(const Name (&table)[n]) {
  std::vector<std::string> names;
  for (const auto& entry : table) names.emplace_back(entry.name);
  return names;
}

/// False if `text` is not a whole number below `limit`.
bool read_number(std::string_view text, unsigned limit, unsigned& number) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && number < limit;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// "0-3,7", the form of cpuset(7). Numbers must be below `limit`.
BitMask parse_list(const std::string& text, unsigned limit, const std::string& path) {
  constexpr unsigned kBits = sizeof(unsigned long) * CHAR_BIT;
  BitMask mask;
  for (const auto& part : base::split(text, ',')) {
    const auto range = trimmed(part);
    const auto dash = range.find('-');
    unsigned first = 0;
    unsigned last = 0;
    const bool good = read_number(range.substr(0, dash), limit, first) &&
                      (dash == std::string_view::npos || read_number(range.substr(dash + 1), limit, last));
    if (dash == std::string_view::npos) last = first;
    if (!good || first > last) {
      reject(path,
             "expected a list like \"0-3,7\" of numbers below " + std::to_string(limit) + ", got \"" + text + "\"");
    }
    if (mask.size() <= last / kBits) mask.resize(last / kBits + 1);
    for (unsigned number = first; number <= last; ++number) mask[number / kBits] |= 1UL << (number % kBits);
  }
  return mask;
}

std::optional<BitMask> read_cpus(const base::JsonObject& object, const char* key) {
  const auto text = object.string(key).value_or("");
  auto mask = parse_list(text, kMostCpus, object.path_of(key));
  if (!mask.empty()) return mask;
  if (!trimmed(text).empty()) reject(object.path_of(key), "names no CPU: \"" + text + "\"");
  return std::nullopt;
}

constexpr std::string_view kBandwidth = "MB:";

/// Lines about memory bandwidth do not count there: memBwSchema is for them.
std::string without_bandwidth(const std::string& l3_cache_schema) {
  auto lines = base::split(l3_cache_schema, '\n');
  std::erase_if(lines, [](const std::string& line) { return line.starts_with(kBandwidth); });
  return base::join(lines, "\n");
}

void check_scheduler(const base::JsonObject& object, const Scheduler& scheduler, const std::string& policy) {
  const bool fair = scheduler.policy == SCHED_NORMAL || scheduler.policy == SCHED_BATCH;
  const bool real_time = scheduler.policy == SCHED_FIFO || scheduler.policy == SCHED_RR;
  if (fair && (scheduler.nice < -20 || scheduler.nice > 19)) {
    reject(object.path_of("nice"),
           "expected a number from -20 to 19 when policy is " + policy + ", got " + std::to_string(scheduler.nice));
  }
  if (scheduler.priority != 0 && !real_time) {
    reject(object.path_of("priority"), "can only be specified for SCHED_FIFO or SCHED_RR, policy is " + policy);
  }
  if (scheduler.policy == SCHED_DEADLINE) return;
  for (const auto& [key, value] :
       {std::pair{"runtime", scheduler.runtime}, {"deadline", scheduler.deadline}, {"period", scheduler.period}}) {
    if (value != 0) reject(object.path_of(key), "can only be specified for SCHED_DEADLINE, policy is " + policy);
  }
}

}  // namespace

Scheduler read_scheduler(const base::JsonObject& object) {
  constexpr int64_t kLowest = std::numeric_limits<int32_t>::min();
  constexpr int64_t kHighest = std::numeric_limits<int32_t>::max();
  Scheduler scheduler;
  const auto policy = object.required_string("policy");
  scheduler.policy = static_cast<uint32_t>(value_of(kPolicies, policy, object.path_of("policy"), "policy"));
  scheduler.flags = flags_of(kSchedulerFlags, object, "scheduler flag");
  scheduler.nice = static_cast<int32_t>(object.integer("nice", kLowest, kHighest).value_or(0));
  scheduler.priority = static_cast<uint32_t>(object.integer("priority", 0, kHighest).value_or(0));
  scheduler.runtime = object.unsigned_integer("runtime").value_or(0);
  scheduler.deadline = object.unsigned_integer("deadline").value_or(0);
  scheduler.period = object.unsigned_integer("period").value_or(0);
  check_scheduler(object, scheduler, policy);
  return scheduler;
}

IoPriority read_io_priority(const base::JsonObject& object) {
  IoPriority priority;
  const auto name = object.required_string("class");
  priority.io_class = static_cast<int>(value_of(kIoClasses, name, object.path_of("class"), "class"));
  priority.priority = static_cast<int>(object.integer("priority", 0, 7).value_or(0));
  return priority;
}

CpuAffinity read_cpu_affinity(const base::JsonObject& object) {
  return {read_cpus(object, "initial"), read_cpus(object, "final")};
}

Personality read_personality(const base::JsonObject& object) {
  const auto name = object.required_string("domain");
  return {value_of(kDomains, name, object.path_of("domain"), "domain"), !object.strings("flags").empty()};
}

MemoryPolicy read_memory_policy(const base::JsonObject& object) {
  MemoryPolicy policy;
  const auto mode = object.required_string("mode");
  policy.mode = static_cast<int>(value_of(kMemoryModes, mode, object.path_of("mode"), "mode"));
  policy.flags = static_cast<unsigned>(flags_of(kMemoryFlags, object, "memory policy flag"));
  policy.nodes = parse_list(object.string("nodes").value_or(""), kMostNodes, object.path_of("nodes"));
  const bool needs_none = policy.mode == MPOL_DEFAULT || policy.mode == MPOL_LOCAL;
  if (needs_none && !policy.nodes.empty()) reject(object.path_of("nodes"), mode + " takes no nodes");
  if (!needs_none && policy.nodes.empty() && policy.mode != MPOL_PREFERRED) {
    reject(object.path_of("nodes"), mode + " needs at least one node");
  }
  if ((policy.flags & MPOL_F_STATIC_NODES) != 0 && (policy.flags & MPOL_F_RELATIVE_NODES) != 0) {
    reject(object.path_of("flags"), "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
  }
  return policy;
}

IntelRdt read_intel_rdt(const base::JsonObject& object) {
  IntelRdt rdt;
  rdt.clos_id = object.string("closID").value_or("");
  const bool is_name = rdt.clos_id.find('/') == std::string::npos && rdt.clos_id != "." && rdt.clos_id != "..";
  if (!is_name && rdt.clos_id != "/") {
    reject(object.path_of("closID"), "invalid intelRdt.ClosID \"" + rdt.clos_id + "\"");
  }
  rdt.schemata = object.strings("schemata");
  rdt.l3_cache_schema = without_bandwidth(object.string("l3CacheSchema").value_or(""));
  rdt.memory_bandwidth_schema = object.string("memBwSchema").value_or("");
  const auto& bandwidth = rdt.memory_bandwidth_schema;
  if (!bandwidth.empty() && (!bandwidth.starts_with(kBandwidth) || bandwidth.find('\n') != std::string::npos)) {
    reject(object.path_of("memBwSchema"), "expected one line that starts with \"MB:\", got \"" + bandwidth + "\"");
  }
  rdt.monitoring = object.boolean("enableMonitoring").value_or(false);
  return rdt;
}

std::vector<std::string> memory_policy_modes() {
  return names_of(kMemoryModes);
}

std::vector<std::string> memory_policy_flags() {
  return names_of(kMemoryFlags);
}

}  // namespace berth::oci
