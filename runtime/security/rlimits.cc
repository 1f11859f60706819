#include "security/rlimits.h"

#include <sys/resource.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "base/error.h"

namespace berth::runtime {

namespace {

struct Name {
  std::string_view name;
  __rlimit_resource resource;
};

constexpr Name kNames[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

}  // namespace

void set_rlimits(pid_t pid, const std::vector<oci::Rlimit>& limits) {
  for (const auto& limit : limits) {
    const auto* entry =
        std::find_if(std::begin(kNames), std::end(kNames), [&](const Name& name) { return name.name == limit.type; });
    if (entry == std::end(kNames)) throw std::runtime_error("process.rlimits: unknown type \"" + limit.type + "\"");
    const rlimit value{limit.soft, limit.hard};
    base::check(::prlimit(pid, entry->resource, &value, nullptr), "error setting rlimit type", limit.type);
  }
}

}  // namespace berth::runtime
