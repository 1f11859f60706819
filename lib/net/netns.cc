#include "net/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "base/error.h"

namespace berth::net {

namespace {

constexpr const char* kOwnPath = "/proc/thread-self/ns/net";

struct stat status_of(const base::Fd& fd, const std::string& path) {
  struct stat status {};
  base::check(::fstat(fd.get(), &status), "examine network namespace", path);
  return status;
}

}  // namespace

NetNs NetNs::open(const std::string& path) {
  base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  base::check(fd.get(), "open network namespace", path);
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    throw std::invalid_argument(path + " is not a network namespace");
  }
  return {std::move(fd), path};
}

NetNs NetNs::current() {
  base::Fd fd(::open(kOwnPath, O_RDONLY | O_CLOEXEC));
  base::check(fd.get(), "open network namespace", kOwnPath);
  return {std::move(fd), kOwnPath};
}

bool NetNs::same_as(const NetNs& other) const {
  const auto ours = status_of(fd_, path_);
  const auto theirs = status_of(other.fd_, other.path_);
  return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

std::string NetNs::identity() const {
  const auto status = status_of(fd_, path_);
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

NetNs::Visit::Visit(const NetNs& there) : home_(current().fd_.release()) {
  base::check(::setns(there.fd_.get(), CLONE_NEWNET), "enter network namespace", there.path_);
}

NetNs::Visit::~Visit() {
  if (::setns(home_.get(), CLONE_NEWNET) == 0) return;
  // Going on in the wrong namespace would change somebody else's network.
  std::perror("return to the network namespace");
  std::abort();
}

}  // namespace berth::net
