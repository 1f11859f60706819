#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace berth::base {

/// An open file descriptor that closes itself. Move-only; -1 means empty.
class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;

  /// A second descriptor for the same open file, close-on-exec. Throws SystemError.
  Fd duplicate() const;

  /// The path under which this process can name the open file again: /proc/self/fd/N.
  std::string proc_path() const;

 private:
  int fd_ = -1;
};

/// Closes every descriptor of this process but these.
void close_all_but(std::vector<int> kept) noexcept;

/// The last one to close some descriptors waits for the kernel, and keeps others waiting, unless enough time has
/// passed. A child process holds these, and nothing else, for so long; then closing ours costs nothing. Without a child
/// (fork may fail) it costs what it costs.
void hold_in_child(std::vector<int> fds, std::chrono::milliseconds time);

/// open(2) with O_CLOEXEC added. Throws SystemError "open PATH: …".
Fd open_file(const std::string& path, int flags, mode_t mode = 0);

/// openat(2) with O_CLOEXEC added. Throws SystemError "open PATH: …".
Fd open_at(const Fd& directory, const std::string& path, int flags, mode_t mode = 0);

}  // namespace berth::base
