#include "rootfs/mount_attributes.h"

#include <linux/mount.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "rootfs/mount_api.h"

namespace berth::runtime {

namespace {

constexpr uint64_t kAtime = MOUNT_ATTR__ATIME;
/// What a bind's remount takes away unless it is asked for. The atime setting stays.
constexpr uint64_t kReplaced =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;

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
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, true},
    {"symfollow", MOUNT_ATTR_NOSYMFOLLOW, false},
    {"noatime", MOUNT_ATTR_NOATIME, true},
    {"atime", MOUNT_ATTR_NOATIME, false},
    {"strictatime", MOUNT_ATTR_STRICTATIME, true},
    {"nostrictatime", MOUNT_ATTR_STRICTATIME, false},
    // The kernel's default, which only another atime option takes away.
    {"relatime", MOUNT_ATTR_RELATIME, true},
    {"norelatime", MOUNT_ATTR_RELATIME, false},
};

/// The attributes that a mount has now.
uint64_t attributes_of(const base::Fd& mount) {
  struct statvfs info {};
  base::check(::fstatvfs(mount.get(), &info), "read mount attributes");
  constexpr unsigned long kNoSymlinks = 0x2000;  // ST_NOSYMFOLLOW of linux/statfs.h
  constexpr std::pair<unsigned long, uint64_t> kFlags[] = {
      {ST_RDONLY, MOUNT_ATTR_RDONLY},       {ST_NOSUID, MOUNT_ATTR_NOSUID},   {ST_NODEV, MOUNT_ATTR_NODEV},
      {ST_NOEXEC, MOUNT_ATTR_NOEXEC},       {ST_NOATIME, MOUNT_ATTR_NOATIME}, {ST_NODIRATIME, MOUNT_ATTR_NODIRATIME},
      {kNoSymlinks, MOUNT_ATTR_NOSYMFOLLOW}};
  uint64_t attributes = 0;
  for (const auto& [flag, attribute] : kFlags) attributes |= (info.f_flag & flag) != 0 ? attribute : 0;
  return attributes;
}

/// `"noexec", which option "exec" asks for`, for the first of these attributes.
std::string describe(uint64_t attributes) {
  for (const auto& entry : kAttributes) {
    if (!entry.on || (entry.attribute & attributes) == 0) continue;
    const auto* inverse = std::find_if(std::begin(kAttributes), std::end(kAttributes), [&](const Attribute& other) {
      return !other.on && other.attribute == entry.attribute;
    });
    return "\"" + std::string(entry.name) + "\", which option \"" + std::string(inverse->name) + "\" asks for";
  }
  return "";
}

}  // namespace

bool AttributeChange::read_only() const {
  return (set & MOUNT_ATTR_RDONLY) != 0;
}

bool AttributeChange::add(std::string_view option) {
  const auto* entry = std::find_if(std::begin(kAttributes), std::end(kAttributes),
                                   [&](const Attribute& each) { return each.name == option; });
  if (entry == std::end(kAttributes)) return false;
  const uint64_t attribute = entry->attribute;
  if ((attribute & ~kAtime) != 0) {
    (entry->on ? set : clear) |= attribute;
    (entry->on ? clear : set) &= ~attribute;
  } else if (entry->on) {
    // One choice of three, not bits: choosing means that the field is cleared first.
    set = (set & ~kAtime) | attribute;
    clear |= kAtime;
  } else if (attribute != MOUNT_ATTR_RELATIME) {
    if ((set & kAtime) == attribute) set &= ~kAtime;
    clear |= kAtime;
  }
  return true;
}

std::vector<std::string> attribute_option_names() {
  std::vector<std::string> names;
  for (const auto& entry : kAttributes) names.emplace_back(entry.name);
  return names;
}

void replace_attributes(const base::Fd& mount, const AttributeChange& change, bool keep) {
  if (!keep) {
    try {
      return set_attributes(mount, change.set, change.clear | (kReplaced & ~change.set));
    } catch (const base::SystemError& error) {
      if (error.code() != EPERM) throw;
    }
  }
  const uint64_t stuck = change.clear & ~change.set & ~kAtime & attributes_of(mount);
  if (stuck != 0) throw std::runtime_error("cannot clear the locked flag " + describe(stuck));
  set_attributes(mount, change.set, change.clear & kAtime);
}

}  // namespace berth::runtime
