#include "rootfs/mount_options.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace berth::runtime {

namespace {

struct Attribute {
  std::string_view name;
  uint64_t attribute;
  bool on;
};

constexpr Attribute kAttributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, true},
    {"rw", MOUNT_ATTR_RDONLY, false},
    {"nosuid", MOUNT_ATTR_NOSUID, true},
    {"suid", MOUNT_ATTR_NOSUID, false},
    {"nodev", MOUNT_ATTR_NODEV, true},
    {"dev", MOUNT_ATTR_NODEV, false},
    {"noexec", MOUNT_ATTR_NOEXEC, true},
    {"exec", MOUNT_ATTR_NOEXEC, false},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, true},
    {"diratime", MOUNT_ATTR_NODIRATIME, false},
    {"noatime", MOUNT_ATTR_NOATIME, true},
    {"atime", MOUNT_ATTR_NOATIME, false},
    {"strictatime", MOUNT_ATTR_STRICTATIME, true},
    {"nostrictatime", MOUNT_ATTR_STRICTATIME, false},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, true},
    {"symfollow", MOUNT_ATTR_NOSYMFOLLOW, false},
};

struct Propagation {
  std::string_view name;
  uint64_t flags;
};

constexpr Propagation kPropagation[] = {
    {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
    {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
    {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
    {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};

/// Flags of the superblock as fsconfig(2) names them; the inverses need no action on a new superblock.
constexpr std::string_view kSuperblock[] = {"sync", "dirsync", "lazytime", "mand", "silent", "iversion"};

/// The kernel's defaults, or without effect on a new mount.
constexpr std::string_view kNoAction[] = {"defaults",   "async",      "nomand", "relatime", "norelatime",
                                          "noiversion", "nolazytime", "loud",   "remount"};

template <class Table>
auto find(const Table& table, std::string_view name) {
  return std::find_if(std::begin(table), std::end(table), [&](const auto& entry) { return entry.name == name; });
}

bool take_flag(const std::string& option, MountOptions& result) {
  if (const auto* entry = find(kAttributes, option); entry != std::end(kAttributes)) {
    auto& to = entry->on ? result.set : result.clear;
    auto& from = entry->on ? result.clear : result.set;
    to |= entry->attribute;
    from &= ~entry->attribute;
    return true;
  }
  if (const auto* entry = find(kPropagation, option); entry != std::end(kPropagation)) {
    result.propagation.push_back(entry->flags);
    return true;
  }
  if (std::find(std::begin(kSuperblock), std::end(kSuperblock), option) != std::end(kSuperblock)) {
    result.superblock.push_back(option);
    return true;
  }
  if (option == "bind" || option == "rbind") {
    result.bind = true;
    result.recursive_bind = option == "rbind";
    return true;
  }
  return std::find(std::begin(kNoAction), std::end(kNoAction), option) != std::end(kNoAction);
}

}  // namespace

MountOptions MountOptions::parse(const std::vector<std::string>& options, const std::string& destination) {
  MountOptions result;
  for (const auto& option : options) {
    if (!option.empty() && !take_flag(option, result)) result.data.push_back(option);
  }
  if (result.bind && !result.data.empty()) {
    throw std::runtime_error("mounts: " + destination + ": option \"" + result.data.front() +
                             "\" has no meaning for a bind mount");
  }
  return result;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> names;
  for (const auto& entry : kAttributes) names.emplace_back(entry.name);
  for (const auto& entry : kPropagation) names.emplace_back(entry.name);
  for (const auto& name : kSuperblock) names.emplace_back(name);
  for (const auto& name : kNoAction) names.emplace_back(name);
  names.emplace_back("bind");
  names.emplace_back("rbind");
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace berth::runtime
