#include "rootfs/mount_by_path.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "base/error.h"
#include "base/rollback.h"
#include "base/text.h"
#include "rootfs/mount_api.h"

namespace berth::runtime {

using base::check;

namespace {

struct Flag {
  std::string_view name;
  unsigned long value;
};

constexpr Flag kFlags[] = {{"ro", MS_RDONLY},
                           {"sync", MS_SYNCHRONOUS},
                           {"dirsync", MS_DIRSYNC},
                           {"lazytime", MS_LAZYTIME},
                           {"mand", MS_MANDLOCK}};

unsigned long flags_of(const std::vector<std::string>& names) {
  unsigned long flags = 0;
  for (const auto& name : names) {
    flags |=
        std::find_if(std::begin(kFlags), std::end(kFlags), [&](const Flag& flag) { return flag.name == name; })->value;
  }
  return flags;
}

}  // namespace

bool needs_mount_by_path(const std::string& source, const std::vector<std::string>& data) {
  constexpr size_t kMost = 255;  // strndup_user of fsconfig(2), without the NUL
  return source.size() > kMost ||
         std::any_of(data.begin(), data.end(), [](const std::string& option) { return option.size() > kMost; });
}

base::Fd make_mount_by_path(const base::Fd& place, const std::string& type, const std::string& source,
                            const std::vector<std::string>& superblock_flags, const std::vector<std::string>& data,
                            uint64_t attributes) {
  const auto options = base::join(data, ",");
  if (options.size() >= static_cast<size_t>(::getpagesize())) {
    throw std::runtime_error("the options have " + std::to_string(options.size()) +
                             " bytes: the kernel takes less than " + std::to_string(::getpagesize()));
  }
  const base::Fd cover = make_mount("tmpfs", "tmpfs", {}, {"mode=700"}, 0);
  attach(cover, place);
  base::Rollback uncover;
  uncover.add("uncover the mount's place", [&] { ::umount2(cover.proc_path().c_str(), MNT_DETACH); });
  check(::mkdirat(cover.get(), "m", 0700), "make a place to mount on");
  const std::string path = cover.proc_path() + "/m";
  check(::mount(source.c_str(), path.c_str(), type.c_str(), flags_of(superblock_flags), options.c_str()),
        "mount a file system of type", type);
  base::Fd mount = clone_mount(path, false);
  set_propagation(mount, MS_PRIVATE);
  set_attributes(mount, attributes, 0);
  return mount;
}

}  // namespace berth::runtime
