#pragma once

#include <string>

#include "base/json.h"
#include "oci/config.h"

namespace berth::oci {

/// A configuration in which everything that others build on is present.
inline base::Json valid_config() {
  return base::Json::parse(R"({
    "ociVersion": "1.0.2",
    "process": {"cwd": "/", "args": ["sh"], "env": ["A=1"], "user": {"uid": 0, "gid": 0}},
    "root": {"path": "rootfs"},
    "hostname": "box",
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                             {"type": "mount"}]}
  })");
}

inline Config parsed(const base::Json& json) {
  return Config::parse(json.dump(), "/bundle", "config.json");
}

/// The error for a valid configuration in which the value at `pointer` is replaced ("null" removes it).
inline std::string error_with(const char* pointer, const char* value) {
  auto json = valid_config();
  json[base::Json::json_pointer(pointer)] = base::Json::parse(value);
  try {
    parsed(json);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace berth::oci
