#include "listening.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/unix_socket.h"

namespace berth::dhcp {

namespace {

constexpr int kFirstPassedDescriptor = 3;  // SD_LISTEN_FDS_START
constexpr mode_t kSocketMode = 0660;

int passed_descriptors() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr || std::to_string(::getpid()) != pid) return 0;
  return std::atoi(count);
}

std::string path_of(const base::Fd& socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  base::check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), "examine the passed socket");
  if (address.sun_family != AF_UNIX) throw std::runtime_error("the socket passed by systemd is not a UNIX socket");
  return {address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path)};
}

base::Fd stream_socket() {
  return base::Fd(base::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "open a UNIX socket"));
}

/// A daemon that was killed leaves its socket file; one that lives answers there.
void remove_dead_socket(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) throw std::runtime_error(path + " exists and is not a socket");
  const auto probe = stream_socket();
  const base::UnixAddress address(path);
  if (::connect(probe.get(), address.get(), address.size()) == 0 || errno == EAGAIN) {
    throw std::runtime_error("another daemon listens at " + path);
  }
  base::remove_if_present(path);
}

}  // namespace

Listening listen_for_plugins(const std::string& path) {
  if (const int count = passed_descriptors(); count > 0) {
    if (count > 1) throw std::runtime_error("systemd has passed " + std::to_string(count) + " sockets, expected one");
    base::Fd passed(kFirstPassedDescriptor);
    base::check(::fcntl(passed.get(), F_SETFD, FD_CLOEXEC), "take the passed socket");
    auto there = path_of(passed);
    return {std::move(passed), std::move(there), false};
  }
  const base::UnixAddress address(path);
  if (const auto slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
    base::make_directories(path.substr(0, slash), 0700);
  }
  remove_dead_socket(path);
  auto socket = stream_socket();
  const mode_t mask = ::umask(static_cast<mode_t>(~kSocketMode & 0777));
  const int failed = ::bind(socket.get(), address.get(), address.size());
  ::umask(mask);
  base::check(failed, "bind to", path);
  base::check(::listen(socket.get(), SOMAXCONN), "listen at", path);
  return {std::move(socket), path, true};
}

}  // namespace berth::dhcp
