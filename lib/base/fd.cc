#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

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

void close_all_but(std::vector<int> kept) noexcept {
  std::sort(kept.begin(), kept.end());
  unsigned next = 0;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) ::close_range(next, number - 1, 0);
    next = number + 1;
  }
  ::close_range(next, ~0U, 0);
}

void hold_in_child(std::vector<int> fds, std::chrono::milliseconds time) {
  if (::fork() != 0) return;
  close_all_but(std::move(fds));
  ::usleep(static_cast<useconds_t>(std::chrono::microseconds(time).count()));
  ::_exit(0);
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
