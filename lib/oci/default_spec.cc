#include <unistd.h>

#include "base/json.h"
#include "oci/config.h"
#include "oci/state.h"

namespace berth::oci {

namespace {

using base::Json;

Json mount(const char* destination, const char* type, const char* source, std::initializer_list<const char*> options) {
  Json entry{{"destination", destination}, {"type", type}, {"source", source}};
  if (options.size() != 0) entry["options"] = Json(options);
  return entry;
}

Json namespaces(std::initializer_list<const char*> types) {
  Json list = Json::array();
  for (const char* type : types) list.push_back(Json{{"type", type}});
  return list;
}

Json process() {
  const Json kept{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  Json entry;
  entry["terminal"] = true;
  entry["user"] = Json{{"uid", 0}, {"gid", 0}};
  entry["args"] = Json::array({"sh"});
  entry["env"] = Json::array({"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"});
  entry["cwd"] = "/";
  for (const char* set : {"bounding", "effective", "permitted", "ambient"}) entry["capabilities"][set] = kept;
  entry["rlimits"] = Json::array({Json{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}});
  entry["noNewPrivileges"] = true;
  return entry;
}

Json mounts(bool rootless) {
  Json list = Json::array();
  list.push_back(mount("/proc", "proc", "proc", {}));
  list.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  list.push_back(
      mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}));
  // The group of terminals is not mapped in a user namespace with one id.
  if (!rootless) list.back()["options"].push_back("gid=5");
  list.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  list.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  // A new sysfs needs a network namespace of one's own, which the rootless default does without.
  list.push_back(rootless ? mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"})
                          : mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  list.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  return list;
}

Json linux_part(bool rootless) {
  Json entry;
  if (rootless) {
    entry["uidMappings"] = Json::array({Json{{"containerID", 0}, {"hostID", ::geteuid()}, {"size", 1}}});
    entry["gidMappings"] = Json::array({Json{{"containerID", 0}, {"hostID", ::getegid()}, {"size", 1}}});
    entry["namespaces"] = namespaces({"pid", "ipc", "uts", "mount", "user"});
  } else {
    entry["resources"]["devices"] = Json::array({Json{{"allow", false}, {"access", "rwm"}}});
    entry["namespaces"] = namespaces({"pid", "network", "ipc", "uts", "mount"});
  }
  entry["maskedPaths"] =
      Json::array({"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                   "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"});
  entry["readonlyPaths"] = Json::array({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
  return entry;
}

}  // namespace

std::string default_spec(bool rootless) {
  Json spec;
  spec["ociVersion"] = kSpecVersion;
  spec["process"] = process();
  spec["root"] = Json{{"path", "rootfs"}, {"readonly", true}};
  spec["hostname"] = "runc";
  spec["mounts"] = mounts(rootless);
  spec["linux"] = linux_part(rootless);
  return spec.dump(1, '\t');
}

}  // namespace berth::oci
