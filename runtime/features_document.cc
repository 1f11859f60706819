#include "features_document.h"

#include <unistd.h>

#include <iterator>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "oci/config.h"
#include "oci/state.h"
#include "oci/unsupported.h"

namespace berth::runtime {

namespace {

using base::Json;

constexpr const char* kMountOptions[] = {
    "async",         "atime",        "bind",
    "defaults",      "dev",          "diratime",
    "dirsync",       "exec",         "idmap",
    "iversion",      "lazytime",     "loud",
    "mand",          "noatime",      "nodev",
    "nodiratime",    "noexec",       "noiversion",
    "nolazytime",    "nomand",       "norelatime",
    "nostrictatime", "nosuid",       "nosymfollow",
    "private",       "ratime",       "rbind",
    "rdev",          "rdiratime",    "relatime",
    "remount",       "rexec",        "ridmap",
    "rnoatime",      "rnodev",       "rnodiratime",
    "rnoexec",       "rnorelatime",  "rnostrictatime",
    "rnosuid",       "rnosymfollow", "ro",
    "rprivate",      "rrelatime",    "rro",
    "rrw",           "rshared",      "rslave",
    "rstrictatime",  "rsuid",        "rsymfollow",
    "runbindable",   "rw",           "shared",
    "silent",        "slave",        "strictatime",
    "suid",          "symfollow",    "sync",
    "tmpcopyup",     "unbindable",
};

/// By number (linux/capability.h).
constexpr const char* kCapabilities[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

constexpr const char* kNamespaceNames[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};

Json mount_options() {
  auto options = Json::array();
  for (const char* option : kMountOptions) {
    if (!oci::is_unsupported_mount_option(option)) options.push_back(option);
  }
  return options;
}

Json namespaces() {
  auto names = Json::array();
  for (const char* name : kNamespaceNames) {
    const auto file = std::string("/proc/self/ns/") + oci::proc_name(oci::namespace_type(name));
    if (::access(file.c_str(), F_OK) == 0) names.push_back(name);
  }
  return names;
}

Json capabilities() {
  auto names = Json::array();
  const auto last = std::stoul(base::read_file("/proc/sys/kernel/cap_last_cap"));
  for (size_t i = 0; i < std::size(kCapabilities) && i <= last; ++i) names.push_back(kCapabilities[i]);
  return names;
}

Json linux_features() {
  const Json disabled{{"enabled", false}};
  Json features;
  features["namespaces"] = namespaces();
  features["capabilities"] = capabilities();
  features["cgroup"] = Json{{"v1", true}, {"v2", true}, {"systemd", false}, {"systemdUser", false}, {"rdma", false}};
  for (const char* absent : {"seccomp", "apparmor", "selinux", "intelRdt", "netDevices"}) features[absent] = disabled;
  features["mountExtensions"]["idmap"] = disabled;
  return features;
}

}  // namespace

std::string features_json() {
  Json features;
  features["ociVersionMin"] = "1.0.0";
  features["ociVersionMax"] = oci::kSpecVersion;
  features["hooks"] =
      Json::array({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"});
  features["mountOptions"] = mount_options();
  features["linux"] = linux_features();
  features["annotations"]["org.berth.version"] = BERTH_VERSION;
  // Such annotations publish ports of the host, if the configuration runs cni-hook.
  features["potentiallyUnsafeConfigAnnotations"] = Json::array({"org.berth."});
  return features.dump(4) + "\n";
}

}  // namespace berth::runtime
