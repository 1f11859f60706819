#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <stdexcept>

#include "base/json.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

/// The highest number is no id: to setresuid it means "no change", and the process would stay root.
constexpr uint64_t kMaxId = std::numeric_limits<uint32_t>::max() - 1;

constexpr const char* kRlimits[] = {
    "RLIMIT_AS",      "RLIMIT_CORE",     "RLIMIT_CPU",        "RLIMIT_DATA",   "RLIMIT_FSIZE", "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE",       "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS",
    "RLIMIT_RTPRIO",  "RLIMIT_RTTIME",   "RLIMIT_SIGPENDING", "RLIMIT_STACK",
};

User read_user(const base::JsonObject& object) {
  User user;
  user.uid = static_cast<uint32_t>(object.unsigned_integer("uid", kMaxId).value_or(0));
  user.gid = static_cast<uint32_t>(object.unsigned_integer("gid", kMaxId).value_or(0));
  if (const auto umask = object.unsigned_integer("umask", 0777)) user.umask = static_cast<uint32_t>(*umask);
  for (const auto* element : object.array("additionalGids")) {
    const auto path = object.path_of("additionalGids") + "[" + std::to_string(user.additional_gids.size()) + "]";
    if (!element->is_number_unsigned() || element->get<uint64_t>() > kMaxId) {
      reject(path, "expected a group id, got " + base::describe(*element));
    }
    user.additional_gids.push_back(element->get<uint32_t>());
  }
  return user;
}

bool is_capability_name(const std::string& name) {
  return name.size() > 4 && name.starts_with("CAP_") && std::all_of(name.begin() + 4, name.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

/// Names that no kernel knows are kept: they are a warning where capabilities are set, as the specification wants.
std::vector<std::string> read_capability_set(const base::JsonObject& object, const char* key) {
  auto names = object.strings(key);
  for (size_t i = 0; i < names.size(); ++i) {
    auto& name = names[i];
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
    if (!is_capability_name(name)) {
      reject(object.path_of(key) + "[" + std::to_string(i) + "]", "\"" + name + "\" is not a capability name");
    }
  }
  return names;
}

Capabilities read_capabilities(const base::JsonObject& object) {
  Capabilities capabilities;
  capabilities.bounding = read_capability_set(object, "bounding");
  capabilities.effective = read_capability_set(object, "effective");
  capabilities.permitted = read_capability_set(object, "permitted");
  capabilities.inheritable = read_capability_set(object, "inheritable");
  capabilities.ambient = read_capability_set(object, "ambient");
  return capabilities;
}

uint64_t required_limit(const base::JsonObject& object, const char* key) {
  const auto value = object.unsigned_integer(key);
  if (!value) throw base::JsonError("missing " + object.path_of(key));
  return *value;
}

std::vector<Rlimit> read_rlimits(const base::JsonObject& process) {
  std::vector<Rlimit> rlimits;
  std::set<std::string> seen;
  for (const auto& object : process.objects("rlimits")) {
    Rlimit rlimit;
    rlimit.type = object.required_string("type");
    if (std::find(std::begin(kRlimits), std::end(kRlimits), rlimit.type) == std::end(kRlimits)) {
      reject(object.path_of("type"), "unknown resource limit \"" + rlimit.type + "\"");
    }
    if (!seen.insert(rlimit.type).second) reject(object.path_of("type"), rlimit.type + " is set more than once");
    rlimit.soft = required_limit(object, "soft");
    rlimit.hard = required_limit(object, "hard");
    if (rlimit.soft > rlimit.hard) {
      reject(object.path_of("soft"),
             std::to_string(rlimit.soft) + " is above the hard limit of " + std::to_string(rlimit.hard));
    }
    rlimits.push_back(std::move(rlimit));
  }
  return rlimits;
}

std::vector<std::string> read_env(const base::JsonObject& process) {
  auto env = process.strings("env");
  for (size_t i = 0; i < env.size(); ++i) {
    const auto path = process.path_of("env") + "[" + std::to_string(i) + "]";
    const auto equals = env[i].find('=');
    if (equals == std::string::npos || equals == 0) reject(path, "expected KEY=VALUE, got \"" + env[i] + "\"");
  }
  return env;
}

std::vector<std::string> read_args(const base::JsonObject& process) {
  auto args = process.strings("args");
  if (args.empty()) reject(process.path_of("args"), "must not be empty");
  return args;
}

}  // namespace

Process read_process(const base::JsonObject& object) {
  Process process;
  process.terminal = object.boolean("terminal").value_or(false);
  if (const auto size = object.object("consoleSize")) {
    process.console_height = static_cast<unsigned>(size->unsigned_integer("height", 65535).value_or(0));
    process.console_width = static_cast<unsigned>(size->unsigned_integer("width", 65535).value_or(0));
  }
  process.cwd = object.required_string("cwd");
  if (!process.cwd.starts_with('/')) {
    reject(object.path_of("cwd"), "must be an absolute path, got \"" + process.cwd + "\"");
  }
  process.env = read_env(object);
  process.args = read_args(object);
  if (const auto user = object.object("user")) process.user = read_user(*user);
  if (const auto capabilities = object.object("capabilities")) process.capabilities = read_capabilities(*capabilities);
  process.rlimits = read_rlimits(object);
  process.no_new_privileges = object.boolean("noNewPrivileges").value_or(false);
  if (const auto score = object.integer("oomScoreAdj", -1000, 1000)) process.oom_score_adj = static_cast<int>(*score);
  if (const auto scheduler = object.object("scheduler")) process.scheduler = read_scheduler(*scheduler);
  if (const auto priority = object.object("ioPriority")) process.io_priority = read_io_priority(*priority);
  if (const auto affinity = object.object("execCPUAffinity")) process.exec_cpu_affinity = read_cpu_affinity(*affinity);
  process.apparmor_profile = object.string("apparmorProfile").value_or("");
  process.selinux_label = object.string("selinuxLabel").value_or("");
  return process;
}

Process parse_process(const std::string& text, const std::string& file) {
  try {
    const auto json = base::parse_json(text);
    const base::JsonObject object(json);
    return read_process(object);
  } catch (const base::JsonError& error) {
    throw std::runtime_error(file + ": " + error.what());
  }
}

}  // namespace berth::oci
