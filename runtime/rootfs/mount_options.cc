#include "rootfs/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace berth::runtime {

namespace {

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

/// Flags of the superblock as fsconfig(2) names them, and what takes them back.
struct SuperblockFlag {
  std::string_view name;
  std::string_view inverse;
};

constexpr SuperblockFlag kSuperblock[] = {
    {"sync", "async"}, {"dirsync", ""}, {"lazytime", "nolazytime"}, {"mand", "nomand"}};

/// Without effect on today's kernels: fsconfig(2) has no name for them, and mount(2) does not show them either.
constexpr std::string_view kNoAction[] = {"defaults", "silent", "loud", "iversion", "noiversion"};

struct Switch {
  std::string_view name;
  bool MountOptions::*turns_on;
  bool MountOptions::*turns_on_too;
};

constexpr Switch kSwitches[] = {
    {"bind", &MountOptions::bind, nullptr},       {"rbind", &MountOptions::bind, &MountOptions::recursive_bind},
    {"remount", &MountOptions::remount, nullptr}, {"tmpcopyup", &MountOptions::copy_up, nullptr},
    {"idmap", &MountOptions::map_ids, nullptr},   {"ridmap", &MountOptions::map_ids, &MountOptions::map_tree},
};

bool take_superblock_flag(const std::string& option, std::vector<std::string>& flags) {
  for (const auto& flag : kSuperblock) {
    const bool on = option == flag.name;
    if (!on && (option.empty() || option != flag.inverse)) continue;
    std::erase(flags, std::string(flag.name));
    if (on) flags.push_back(option);
    return true;
  }
  return false;
}

bool take(const std::string& option, MountOptions& result) {
  if (result.attributes.add(option)) return true;
  if (option.starts_with('r') && result.recursive.add(std::string_view(option).substr(1))) return true;
  for (const auto& entry : kPropagation) {
    if (entry.name != option) continue;
    result.propagation.push_back(entry.flags);
    return true;
  }
  for (const auto& entry : kSwitches) {
    if (entry.name != option) continue;
    result.*entry.turns_on = true;
    if (entry.turns_on_too != nullptr) result.*entry.turns_on_too = true;
    return true;
  }
  return take_superblock_flag(option, result.superblock) ||
         std::find(std::begin(kNoAction), std::end(kNoAction), option) != std::end(kNoAction);
}

/// mount(2) takes one string with commas, and so an option of config.json may hold several. A comma in quotes (an
/// SELinux context) or after a backslash (a layer of an overlay) does not end one.
void split_data(const std::string& option, std::vector<std::string>& data) {
  std::string part;
  bool quoted = false;
  for (size_t i = 0; i < option.size(); ++i) {
    quoted = quoted != (option[i] == '"');
    const bool ends = option[i] == ',' && !quoted && (i == 0 || option[i - 1] != '\\');
    if (!ends) part += option[i];
    if (!ends || part.empty()) continue;
    data.push_back(std::move(part));
    part.clear();
  }
  if (!part.empty()) data.push_back(std::move(part));
}

}  // namespace

MountOptions MountOptions::parse(const std::vector<std::string>& options, const std::string& destination,
                                 const std::string& type) {
  MountOptions result;
  for (const auto& option : options) {
    if (!option.empty() && !take(option, result)) split_data(option, result.data);
  }
  result.bind = result.bind || type == "bind";
  const std::string where = "mounts: " + destination + ": option \"";
  if (result.bind && !result.data.empty()) {
    throw std::runtime_error(where + result.data.front() + "\" has no meaning for a bind mount");
  }
  if (result.map_ids && !result.bind) {
    throw std::runtime_error(where + (result.map_tree ? "ridmap" : "idmap") + "\" is for bind mounts");
  }
  if (result.copy_up && (type != "tmpfs" || result.bind)) {
    throw std::runtime_error(where + "tmpcopyup\" is for file systems of type tmpfs");
  }
  return result;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> names;
  for (const auto& name : attribute_option_names()) {
    names.push_back(name);
    names.push_back("r" + name);
  }
  for (const auto& entry : kPropagation) names.emplace_back(entry.name);
  for (const auto& flag : kSuperblock) {
    names.emplace_back(flag.name);
    if (!flag.inverse.empty()) names.emplace_back(flag.inverse);
  }
  for (const auto& name : kNoAction) names.emplace_back(name);
  for (const auto& entry : kSwitches) names.emplace_back(entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace berth::runtime
