#pragma once

#include <sys/types.h>

#include <string>
#include <type_traits>
#include <utility>

#include "base/fd.h"

namespace berth::net {

/// One network namespace, held open.
class NetNs {
 public:
  /// Opens the namespace bound at `path` (for example /run/netns/web or /proc/42/ns/net).
  /// Throws base::SystemError if it cannot be opened, std::invalid_argument if it is not a network namespace.
  static NetNs open(const std::string& path);

  /// The calling thread's namespace.
  static NetNs current();

  const std::string& path() const { return path_; }
  const base::Fd& fd() const { return fd_; }

  /// The same kernel object, whatever the path (st_dev and st_ino of the namespace file).
  bool same_as(const NetNs& other) const;

  /// What tells the kernel object from every other that exists at the same time: "DEVICE:INODE" of the namespace file.
  std::string identity() const;

  /// Runs `work` on this thread inside the namespace, and returns to the old one even if it throws.
  template <class Work>
  auto within(Work&& work) const {
    const Visit visit(*this);
    return std::forward<Work>(work)();
  }

 private:
  NetNs(base::Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  class Visit {
   public:
    explicit Visit(const NetNs& there);
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    base::Fd home_;
  };

  base::Fd fd_;
  std::string path_;
};

}  // namespace berth::net
