#include "features_document.h"

#include <sys/capability.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <string>

#include "base/json.h"
#include "criu/worker.h"
#include "oci/config.h"
#include "oci/state.h"
#include "rootfs/mount_options.h"
#include "security/seccomp/filter.h"

namespace berth::runtime {

namespace {

using base::Json;

constexpr const char* kNamespaceNames[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};

Json namespaces() {
  auto names = Json::array();
  for (const char* name : kNamespaceNames) {
    const auto file = std::string("/proc/self/ns/") + oci::proc_name(oci::namespace_type(name));
    if (::access(file.c_str(), F_OK) == 0) names.push_back(name);
  }
  return names;
}

/// Those that both this kernel and our list of names know.
Json capabilities() {
  auto names = Json::array();
  for (cap_value_t i = 0; i < ::cap_max_bits(); ++i) {
    const std::unique_ptr<char, int (*)(void*)> known(::cap_to_name(i), ::cap_free);
    std::string name = known ? known.get() : "";
    if (!name.starts_with("cap_")) continue;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
    names.push_back(name);
  }
  return names;
}

Json seccomp_features() {
  auto supported = Json::array();
  for (const auto& name : oci::seccomp_flags()) {
    if (kernel_knows(*oci::seccomp_flag(name))) supported.push_back(name);
  }
  return {{"enabled", true},
          {"actions", oci::seccomp_actions()},
          {"operators", oci::seccomp_operators()},
          {"archs", oci::seccomp_architectures()},
          {"knownFlags", oci::seccomp_flags()},
          {"supportedFlags", supported}};
}

Json linux_features() {
  Json features;
  features["namespaces"] = namespaces();
  features["capabilities"] = capabilities();
  features["cgroup"] = Json{{"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}};
  features["seccomp"] = seccomp_features();
  features["intelRdt"] = Json{{"enabled", true}, {"schemata", true}, {"monitoring", true}};
  for (const char* present : {"apparmor", "selinux", "netDevices"}) features[present] = Json{{"enabled", true}};
  features["memoryPolicy"] = Json{{"modes", oci::memory_policy_modes()}, {"flags", oci::memory_policy_flags()}};
  features["mountExtensions"]["idmap"] = Json{{"enabled", true}};
  return features;
}

}  // namespace

std::string features_json() {
  Json features;
  features["ociVersionMin"] = "1.0.0";
  features["ociVersionMax"] = oci::kSpecVersion;
  features["hooks"] =
      Json::array({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"});
  features["mountOptions"] = known_mount_options();
  features["linux"] = linux_features();
  features["annotations"]["org.berth.version"] = BERTH_VERSION;
  features["annotations"]["org.opencontainers.runc.checkpoint.enabled"] = criu::is_installed() ? "true" : "false";
  // Annotations of ours publish ports of the host, if the configuration runs cni-hook; CRIU's choose its settings,
  // systemd's what it does.
  features["potentiallyUnsafeConfigAnnotations"] =
      Json::array({"org.berth.", "org.criu.config", "org.systemd.property."});
  return features.dump(4) + "\n";
}

}  // namespace berth::runtime
