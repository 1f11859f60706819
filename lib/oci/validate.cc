#include <sys/stat.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

constexpr const char* kIpcSysctls[] = {
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
    "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
};

bool is_new(const Linux& linux_part, NamespaceType type) {
  const auto* entry = linux_part.find(type);
  return entry != nullptr && entry->path.empty();
}

void check_names(const Config& config) {
  if (config.linux_.has(NamespaceType::kUts)) return;
  for (const auto& [key, value] : {std::pair{"hostname", &config.hostname}, {"domainname", &config.domainname}}) {
    if (!value->empty()) reject(key, std::string("unable to set ") + key + " without a private UTS namespace");
  }
}

void check_paths(const Linux& linux_part) {
  if (linux_part.has(NamespaceType::kMount)) return;
  for (const auto& [key, paths] : {std::pair{"linux.maskedPaths", &linux_part.masked_paths},
                                   {"linux.readonlyPaths", &linux_part.readonly_paths}}) {
    if (!paths->empty()) reject(key, "unable to restrict sys entries without a private MNT namespace");
  }
}

bool is_mapped(const std::vector<IdMapping>& mappings, uint32_t id) {
  return std::any_of(mappings.begin(), mappings.end(), [id](const IdMapping& mapping) {
    return id >= mapping.container_id && id - mapping.container_id < mapping.size;
  });
}

void check_mapped(const std::vector<IdMapping>& mappings, uint32_t id, const char* key, const char* map) {
  if (!is_mapped(mappings, id)) {
    reject(key, std::to_string(id) + " is unmapped: it is in none of " + map);
  }
}

void check_user_namespace(const Config& config) {
  const auto& linux_part = config.linux_;
  if (!linux_part.has(NamespaceType::kUser)) {
    if (linux_part.uid_mappings.empty() && linux_part.gid_mappings.empty()) return;
    reject(linux_part.uid_mappings.empty() ? "linux.gidMappings" : "linux.uidMappings",
           "user namespace mappings specified, but user namespace isn't enabled in the config");
  }
  if (!is_new(linux_part, NamespaceType::kUser)) return;
  if (linux_part.uid_mappings.empty())
    reject("linux.uidMappings", "user namespaces enabled, but no uid mappings found");
  if (linux_part.gid_mappings.empty())
    reject("linux.gidMappings", "user namespaces enabled, but no gid mappings found");
  if (config.process) require_mapped(config.process->user, linux_part);
}

bool has_option(const Mount& mount, std::initializer_list<const char*> names) {
  return std::any_of(mount.options.begin(), mount.options.end(), [&](const std::string& option) {
    return std::find(names.begin(), names.end(), option) != names.end();
  });
}

void check_id_mapping(const Mount& mount, const std::string& path, bool has_user_namespace) {
  const bool has_uids = !mount.uid_mappings.empty();
  if (has_uids != !mount.gid_mappings.empty()) {
    reject(path + (has_uids ? ".gidMappings" : ".uidMappings"), "is needed beside the other mappings");
  }
  const bool asked = has_option(mount, {"idmap", "ridmap"});
  if (!asked && !has_uids) return;
  if (!is_bind(mount)) reject(path, "only bind mounts can have their ids mapped");
  if (has_uids || has_user_namespace) return;
  reject(path + ".options", "\"idmap\" and \"ridmap\" need uidMappings and gidMappings, or a user namespace");
}

void check_mounts(const Config& config) {
  const bool has_user_namespace = config.linux_.has(NamespaceType::kUser);
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    check_id_mapping(config.mounts[i], "mounts[" + std::to_string(i) + "]", has_user_namespace);
  }
}

void check_time_offsets(const Linux& linux_part) {
  if (!linux_part.time_offsets.empty() && !is_new(linux_part, NamespaceType::kTime)) {
    reject("linux.timeOffsets", "time namespace offsets need a new time namespace");
  }
}

/// True if the container will see the network namespace of this process.
bool shares_host_network(const Linux& linux_part) {
  const auto* network = linux_part.find(NamespaceType::kNetwork);
  if (network == nullptr) return true;
  if (network->path.empty()) return false;
  struct stat own {};
  struct stat joined {};
  return ::stat("/proc/self/ns/net", &own) == 0 && ::stat(network->path.c_str(), &joined) == 0 &&
         own.st_ino == joined.st_ino && own.st_dev == joined.st_dev;
}

void check_net_devices(const Linux& linux_part) {
  if (linux_part.net_devices.empty() || !shares_host_network(linux_part)) return;
  reject("linux.netDevices", "unable to move network devices without a private NET namespace");
}

bool escapes(const std::string& path) {
  const auto framed = "/" + path + "/";
  return framed.find("//") != std::string::npos || framed.find("/./") != std::string::npos ||
         framed.find("/../") != std::string::npos;
}

void check_sysctl(const Linux& linux_part, const std::string& given) {
  const std::string key = "linux.sysctl";
  const auto path = sysctl_path(given);
  if (escapes(path)) reject(key, "\"" + given + "\" is not the name of a sysctl");
  auto name = path;
  std::replace(name.begin(), name.end(), '/', '.');

  const bool is_ipc = std::find(std::begin(kIpcSysctls), std::end(kIpcSysctls), name) != std::end(kIpcSysctls) ||
                      name.starts_with("fs.mqueue.");
  if (is_ipc && linux_part.has(NamespaceType::kIpc)) return;
  if (name.starts_with("net.")) {
    if (!shares_host_network(linux_part)) return;
    reject(key, "sysctl \"" + given + "\" not allowed in host network namespace");
  }
  if (name.starts_with("user.") && linux_part.has(NamespaceType::kUser)) return;
  if (linux_part.has(NamespaceType::kUts)) {
    if (name == "kernel.domainname") return;
    if (name == "kernel.hostname") {
      reject(key, "sysctl \"" + given + "\" is not allowed as it conflicts with the OCI \"hostname\" field");
    }
  }
  reject(key, "sysctl \"" + given + "\" is not in a separate kernel namespace");
}

}  // namespace

bool is_bind(const Mount& mount) {
  return mount.type == "bind" || has_option(mount, {"bind", "rbind"});
}

std::string sysctl_path(const std::string& name) {
  std::string path = name;
  // As sysctl(8): if the first separator is a slash, slashes separate and dots are part of names ("eth0.100").
  const auto first = path.find_first_of("./");
  if (first == std::string::npos || path[first] == '/') return path;
  for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return path;
}

void require_mapped(const User& user, const Linux& linux_part) {
  if (!is_new(linux_part, NamespaceType::kUser)) return;
  check_mapped(linux_part.uid_mappings, user.uid, "process.user.uid", "linux.uidMappings");
  check_mapped(linux_part.gid_mappings, user.gid, "process.user.gid", "linux.gidMappings");
  for (const auto gid : user.additional_gids) {
    check_mapped(linux_part.gid_mappings, gid, "process.user.additionalGids", "linux.gidMappings");
  }
}

void validate(const Config& config) {
  check_names(config);
  check_paths(config.linux_);
  check_user_namespace(config);
  check_mounts(config);
  check_time_offsets(config.linux_);
  check_net_devices(config.linux_);
  for (const auto& entry : config.linux_.sysctl) check_sysctl(config.linux_, entry.first);
}

}  // namespace berth::oci
