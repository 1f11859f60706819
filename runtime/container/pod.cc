#include "container/pod.h"

#include <sys/stat.h>

#include <stdexcept>

#include "base/json.h"
#include "oci/edit.h"

namespace berth::runtime {

namespace {

using base::Json;

ino_t inode(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

/// The process that holds the pod's namespaces. It was started by us and lives: its pid is its own.
pid_t holder_of(const std::string& name, const Store& store) {
  const Record record = store.load(name);
  const auto status = status_of(store, record);
  if (status != "running" && status != "created" && status != "paused") {
    throw std::runtime_error("container not running: it is " + status);
  }
  return record.pid;
}

Json& entry_of(Json& namespaces, const std::string& type) {
  for (auto& entry : namespaces) {
    if (entry.is_object() && entry.value("type", "") == type) return entry;
  }
  namespaces.push_back(Json{{"type", type}});
  return namespaces.back();
}

void join(Json& namespaces, const std::string& type, pid_t holder) {
  const std::string file = oci::proc_name(oci::namespace_type(type));
  const std::string path = "/proc/" + std::to_string(holder) + "/ns/" + file;
  if (inode(path) == inode("/proc/self/ns/" + file)) {
    throw std::runtime_error("it has no " + type + " namespace of its own, but shares the host's");
  }
  Json& entry = entry_of(namespaces, type);
  const auto present = entry.value("path", "");
  if (!present.empty() && inode(present) != inode(path)) {
    throw std::runtime_error("config.json joins another " + type + " namespace: linux.namespaces: path " + present);
  }
  entry["path"] = path;
}

}  // namespace

std::string join_pod(const std::string& config_json, const PodFlags& flags, const Store& store) {
  if (flags.name.empty()) throw std::runtime_error("--share pid needs --pod");
  try {
    validate_container_id(flags.name);
    const pid_t holder = holder_of(flags.name, store);
    Json config = oci::parse_editable(config_json);
    auto& namespaces = oci::member(oci::member(config, "linux", Json::object()), "namespaces", Json::array());
    for (const char* type : {"network", "ipc", "uts"}) join(namespaces, type, holder);
    if (flags.share_pid) join(namespaces, "pid", holder);
    for (const char* name : {"hostname", "domainname"}) oci::remove_member(config, name);
    return oci::to_text(config);
  } catch (const std::exception& error) {
    throw std::runtime_error("--pod " + flags.name + ": " + error.what());
  }
}

}  // namespace berth::runtime
