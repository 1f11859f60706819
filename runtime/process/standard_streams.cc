#include "process/standard_streams.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "base/error.h"
#include "rootfs/paths.h"

namespace berth::runtime {

namespace {

bool is_null_device(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == ::makedev(1, 3);
}

/// What the image has there may be anything, a fifo that nobody reads included: it is looked at before it is opened.
base::Fd open_null_device_of(const base::Fd& root) {
  const base::Fd directory = try_open_in_root(root, "/dev", O_DIRECTORY);
  if (!directory) return {};
  base::Fd null(::openat(directory.get(), "null", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!null || !is_null_device(null.get())) return {};
  base::check(::fcntl(null.get(), F_SETFL, 0), "open the container's /dev/null");
  return null;
}

}  // namespace

void open_missing_streams() {
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest number that is free is this one. Children inherit it as they would any other stream.
    base::check(::open("/dev/null", O_RDWR), "open /dev/null in place of a closed standard stream");
  }
}

bool replace_null_streams(const base::Fd& root) {
  base::Fd null;
  for (int fd = 0; fd < 3; ++fd) {
    if (!is_null_device(fd)) continue;
    if (!null) null = open_null_device_of(root);
    if (!null) return false;
    base::check(::dup2(null.get(), fd), "replace standard stream " + std::to_string(fd));
  }
  return true;
}

std::vector<std::string> standard_streams_of(pid_t pid) {
  std::vector<std::string> names;
  for (const char* fd : {"0", "1", "2"}) {
    std::array<char, PATH_MAX> target;
    const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + fd;
    const auto size = ::readlink(link.c_str(), target.data(), target.size());
    names.emplace_back(target.data(), size > 0 ? static_cast<size_t>(size) : 0);
  }
  return names;
}

}  // namespace berth::runtime
