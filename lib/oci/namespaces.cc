#include <sched.h>

#include <stdexcept>

#include "oci/config.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace berth::oci {

namespace {

struct NamespaceInfo {
  NamespaceType type;
  const char* name;
  const char* proc_name;
  int flag;
};

constexpr NamespaceInfo kNamespaces[] = {
    {NamespaceType::kPid, "pid", "pid", CLONE_NEWPID},
    {NamespaceType::kNetwork, "network", "net", CLONE_NEWNET},
    {NamespaceType::kMount, "mount", "mnt", CLONE_NEWNS},
    {NamespaceType::kIpc, "ipc", "ipc", CLONE_NEWIPC},
    {NamespaceType::kUts, "uts", "uts", CLONE_NEWUTS},
    {NamespaceType::kUser, "user", "user", CLONE_NEWUSER},
    {NamespaceType::kCgroup, "cgroup", "cgroup", CLONE_NEWCGROUP},
    {NamespaceType::kTime, "time", "time", CLONE_NEWTIME},
};

const NamespaceInfo& info_of(NamespaceType type) {
  return kNamespaces[static_cast<size_t>(type)];
}

}  // namespace

NamespaceType namespace_type(const std::string& name) {
  for (const auto& info : kNamespaces) {
    if (name == info.name) return info.type;
  }
  throw std::runtime_error("unknown namespace \"" + name + "\"");
}

int clone_flag(NamespaceType type) {
  return info_of(type).flag;
}

const char* proc_name(NamespaceType type) {
  return info_of(type).proc_name;
}

const Namespace* Linux::find(NamespaceType type) const {
  for (const auto& entry : namespaces) {
    if (entry.type == type) return &entry;
  }
  return nullptr;
}

}  // namespace berth::oci
