#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

namespace berth::base {

void Fd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Fd Fd::duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw_errno("duplicate file descriptor " + std::to_string(fd_));
  return Fd(copy);
}

std::string Fd::proc_path() const {
  return "/proc/self/fd/" + std::to_string(fd_);
}

Fd open_file(const std::string& path, int flags, mode_t mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw_errno("open " + path);
  return fd;
}

Fd open_at(const Fd& directory, const std::string& path, int flags, mode_t mode) {
  Fd fd(::openat(directory.get(), path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw_errno("open " + path);
  return fd;
}

}  // namespace berth::base
