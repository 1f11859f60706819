#include <algorithm>
#include <iterator>
#include <set>

#include "base/json.h"
#include "net/link.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

constexpr uint64_t kMaxId = std::numeric_limits<uint32_t>::max();

constexpr const char* kPropagations[] = {"shared",  "slave",  "private",  "unbindable",
                                         "rshared", "rslave", "rprivate", "runbindable"};

std::vector<Namespace> read_namespaces(const base::JsonObject& object) {
  std::vector<Namespace> namespaces;
  for (const auto& entry : object.objects("namespaces")) {
    const auto name = entry.required_string("type");
    Namespace parsed;
    try {
      parsed.type = namespace_type(name);
    } catch (const std::runtime_error& error) {
      reject(entry.path_of("type"), error.what());
    }
    parsed.path = entry.string("path").value_or("");
    if (!parsed.path.empty() && !parsed.path.starts_with('/')) {
      reject(entry.path_of("path"), "must be an absolute path, got \"" + parsed.path + "\"");
    }
    if (std::any_of(namespaces.begin(), namespaces.end(), [&](const auto& it) { return it.type == parsed.type; })) {
      reject(entry.path(), "malformed spec file: duplicated ns \"" + name + "\"");
    }
    namespaces.push_back(std::move(parsed));
  }
  return namespaces;
}

uint32_t required_id(const base::JsonObject& object, const char* key) {
  const auto value = object.unsigned_integer(key, kMaxId);
  if (!value) throw base::JsonError("missing " + object.path_of(key));
  return static_cast<uint32_t>(*value);
}

std::map<std::string, TimeOffset> read_time_offsets(const base::JsonObject& object) {
  std::map<std::string, TimeOffset> offsets;
  const auto map = object.object("timeOffsets");
  if (!map) return offsets;
  for (auto it = map->raw().begin(); it != map->raw().end(); ++it) {
    if (it.key() != "monotonic" && it.key() != "boottime") reject(map->path_of(it.key()), "unknown clock");
    const base::JsonObject entry(*it, map->path_of(it.key()));
    TimeOffset offset;
    offset.secs = entry.integer("secs").value_or(0);
    offset.nanosecs = static_cast<uint32_t>(entry.unsigned_integer("nanosecs", 999'999'999).value_or(0));
    offsets[it.key()] = offset;
  }
  return offsets;
}

std::map<std::string, std::string> read_net_devices(const base::JsonObject& object) {
  std::map<std::string, std::string> devices;
  std::set<std::string> taken;
  const auto map = object.object("netDevices");
  if (!map) return devices;
  for (auto it = map->raw().begin(); it != map->raw().end(); ++it) {
    const base::JsonObject entry(*it, map->path_of(it.key()));
    auto name = entry.string("name").value_or("");
    if (name.empty()) name = it.key();
    if (!net::is_link_name(it.key())) reject(map->path(), "invalid network device name \"" + it.key() + "\"");
    if (!net::is_link_name(name)) reject(entry.path_of("name"), "invalid network device name \"" + name + "\"");
    if (!name.ends_with("%d") && !taken.insert(name).second) reject(entry.path(), "\"" + name + "\" is taken");
    devices[it.key()] = std::move(name);
  }
  return devices;
}

/// 20 bits of minor and 12 of major are what the kernel's dev_t holds.
int64_t required_device_number(const base::JsonObject& object, const char* key, int64_t highest) {
  const auto value = object.integer(key, 0, highest);
  if (!value) throw base::JsonError("missing " + object.path_of(key));
  return *value;
}

std::optional<uint32_t> optional_id(const base::JsonObject& object, const char* key) {
  const auto value = object.unsigned_integer(key, kMaxId);
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::vector<Device> read_devices(const base::JsonObject& linux_object) {
  std::vector<Device> devices;
  for (const auto& object : linux_object.objects("devices")) {
    Device device;
    const auto type = object.required_string("type");
    if (type != "c" && type != "b" && type != "u" && type != "p") {
      reject(object.path_of("type"), "expected c, b, u or p, got \"" + type + "\"");
    }
    device.type = type[0];
    device.path = object.required_string("path");
    if (!device.path.starts_with('/')) {
      reject(object.path_of("path"), "must be an absolute path, got \"" + device.path + "\"");
    }
    device.path = clean_path(device.path);
    if (device.type != 'p') {
      device.major = required_device_number(object, "major", 4095);
      device.minor = required_device_number(object, "minor", 1'048'575);
    }
    // Go's os.FileMode is what engines write here: the file type's bits may be in it too.
    if (const auto mode = optional_id(object, "fileMode")) device.file_mode = *mode & 07777;
    device.uid = optional_id(object, "uid");
    device.gid = optional_id(object, "gid");
    devices.push_back(std::move(device));
  }
  return devices;
}

std::vector<std::string> read_paths(const base::JsonObject& object, const char* key) {
  auto paths = object.strings(key);
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!paths[i].starts_with('/')) {
      reject(object.path_of(key) + "[" + std::to_string(i) + "]", "must be an absolute path, got \"" + paths[i] + "\"");
    }
  }
  return paths;
}

std::string read_propagation(const base::JsonObject& object) {
  auto propagation = object.string("rootfsPropagation").value_or("");
  if (!propagation.empty() &&
      std::find(std::begin(kPropagations), std::end(kPropagations), propagation) == std::end(kPropagations)) {
    reject(object.path_of("rootfsPropagation"), "unknown propagation \"" + propagation + "\"");
  }
  return propagation;
}

}  // namespace

std::vector<IdMapping> read_mappings(const base::JsonObject& object, const char* key) {
  std::vector<IdMapping> mappings;
  for (const auto& entry : object.objects(key)) {
    IdMapping mapping{required_id(entry, "containerID"), required_id(entry, "hostID"), required_id(entry, "size")};
    if (mapping.size == 0) reject(entry.path_of("size"), "must be at least 1");
    mappings.push_back(mapping);
  }
  return mappings;
}

Linux read_linux(const base::JsonObject& object) {
  Linux result;
  result.namespaces = read_namespaces(object);
  result.uid_mappings = read_mappings(object, "uidMappings");
  result.gid_mappings = read_mappings(object, "gidMappings");
  result.time_offsets = read_time_offsets(object);
  result.devices = read_devices(object);
  result.cgroups_path = object.string("cgroupsPath").value_or("");
  if (const auto resources = object.object("resources")) result.resources = read_resources(*resources);
  result.rootfs_propagation = read_propagation(object);
  result.masked_paths = read_paths(object, "maskedPaths");
  result.readonly_paths = read_paths(object, "readonlyPaths");
  for (auto& [key, value] : object.string_map("sysctl")) result.sysctl[key] = std::move(value);
  result.mount_label = object.string("mountLabel").value_or("");
  result.net_devices = read_net_devices(object);
  if (const auto personality = object.object("personality")) result.personality = read_personality(*personality);
  if (const auto policy = object.object("memoryPolicy")) result.memory_policy = read_memory_policy(*policy);
  if (const auto rdt = object.object("intelRdt")) result.intel_rdt = read_intel_rdt(*rdt);
  if (const auto seccomp = object.object("seccomp")) result.seccomp = read_seccomp(*seccomp);
  return result;
}

}  // namespace berth::oci
