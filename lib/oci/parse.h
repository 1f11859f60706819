#pragma once

#include <string>

#include "base/json_fwd.h"
#include "oci/config.h"

namespace berth::base {
class JsonObject;
}

/// The pieces Config::parse is made of; nothing outside lib/oci includes this.
namespace berth::oci {

/// Throws base::JsonError "PATH: WHY".
[[noreturn]] void reject(const std::string& path, const std::string& why);

/// Each reads one object of config.json and checks what can be checked within it. They throw base::JsonError.
Process read_process(const base::JsonObject& process);
Linux read_linux(const base::JsonObject& linux_object);
Resources read_resources(const base::JsonObject& resources);
Hooks read_hooks(const base::JsonObject& hooks);
Scheduler read_scheduler(const base::JsonObject& scheduler);
IoPriority read_io_priority(const base::JsonObject& priority);
CpuAffinity read_cpu_affinity(const base::JsonObject& affinity);
Personality read_personality(const base::JsonObject& personality);
MemoryPolicy read_memory_policy(const base::JsonObject& policy);
IntelRdt read_intel_rdt(const base::JsonObject& rdt);
std::vector<IdMapping> read_mappings(const base::JsonObject& object, const char* key);

/// True if the mount shows something that exists, instead of a new file system.
bool is_bind(const Mount& mount);
/// Nothing for an object that asks for nothing.
std::optional<Seccomp> read_seccomp(const base::JsonObject& seccomp);

/// Checks that concern several parts of the configuration at once. Throws base::JsonError.
void validate(const Config& config);

/// An absolute path without empty, "." and ".." components and without a slash at the end.
std::string clean_path(const std::string& path);

}  // namespace berth::oci
