#include "process/notify_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unix_socket.h"

namespace berth::runtime {

using base::check;

namespace {

constexpr const char* kDirectory = "/notify";
constexpr const char* kName = "notify.sock";
constexpr const char* kMountPoint = "/run/notify";

/// How long the manager may take to answer a barrier.
constexpr int kPatience = 30'000;

base::Fd datagram_socket() {
  return base::Fd(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket"));
}

base::Fd listen_in(const std::string& directory) {
  const base::Fd held = base::open_file(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  const std::string path = directory + "/" + kName;
  base::remove_if_present(path);
  base::Fd socket = datagram_socket();
  // Whatever the length of the state directory's path.
  const base::UnixAddress address(held.proc_path() + "/" + kName);
  check(::bind(socket.get(), address.get(), address.size()), "bind notify socket", path);
  // The container's user is not known to be ours.
  check(::fchmodat(held.get(), kName, 0777, 0), "change the mode of", path);
  return socket;
}

/// The line of a message that says so; empty if it says something else.
std::string readiness_in(const std::string& message) {
  for (const auto& line : base::split(message, '\n')) {
    if (line.starts_with("READY=")) return line;
  }
  return "";
}

}  // namespace

std::string NotifySocket::of_environment() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  return path == nullptr ? "" : path;
}

void NotifySocket::make_directory(const std::string& state_directory) {
  base::make_directories(state_directory + kDirectory, 0755);
}

void NotifySocket::add_to(oci::Config& config, const std::string& state_directory) {
  oci::Mount mount;
  mount.destination = kMountPoint;
  mount.type = "bind";
  mount.source = state_directory + kDirectory;
  mount.options = {"bind", "nosuid", "noexec", "nodev", "ro"};
  config.mounts.push_back(std::move(mount));
  if (config.process) config.process->env.push_back(std::string("NOTIFY_SOCKET=") + kMountPoint + "/" + kName);
}

bool NotifySocket::is_wanted(const std::string& state_directory) {
  struct stat status {};
  return ::stat((state_directory + kDirectory).c_str(), &status) == 0;
}

NotifySocket::NotifySocket(const std::string& state_directory, const std::string& host) : host_(datagram_socket()) {
  const base::UnixAddress address(host, "NOTIFY_SOCKET");
  check(::connect(host_.get(), address.get(), address.size()), "connect to NOTIFY_SOCKET", host);
  container_ = listen_in(state_directory + kDirectory);
}

void NotifySocket::say(const std::string& text) const {
  check(::send(host_.get(), text.data(), text.size(), MSG_NOSIGNAL), "write to NOTIFY_SOCKET");
}

bool NotifySocket::forward(pid_t main_pid) {
  std::array<char, 4096> message;
  ssize_t size = 0;
  while ((size = ::recv(container_.get(), message.data(), message.size(), MSG_DONTWAIT)) >= 0) {
    const auto readiness = readiness_in({message.data(), static_cast<size_t>(size)});
    if (readiness.empty()) continue;
    say(readiness + "\nMAINPID=" + std::to_string(main_pid) + "\n");
    return true;
  }
  if (errno != EAGAIN && errno != EINTR) base::throw_errno("receive from the notify socket");
  return false;
}

/// The manager closes its end when it has worked off what came before (sd_notify_barrier(3)).
void NotifySocket::wait_for_manager() const {
  std::array<int, 2> ends;
  check(::pipe2(ends.data(), O_CLOEXEC), "create a pipe");
  const base::Fd ours(ends[0]);
  {
    const base::Fd theirs(ends[1]);
    base::send_descriptor(host_, theirs, "BARRIER=1", "a barrier to NOTIFY_SOCKET");
  }
  pollfd entry{ours.get(), 0, 0};
  while (::poll(&entry, 1, kPatience) < 0 && errno == EINTR) {
  }
}

void NotifySocket::forward_until_ready(const base::Fd& process, pid_t main_pid) {
  std::array<pollfd, 2> entries{{{container_.get(), POLLIN, 0}, {process.get(), POLLIN, 0}}};
  for (;;) {
    if (::poll(entries.data(), entries.size(), -1) < 0) {
      if (errno == EINTR) continue;
      base::throw_errno("wait for the notify socket");
    }
    if (forward(main_pid)) return wait_for_manager();
    if (entries[1].revents != 0) return;
  }
}

}  // namespace berth::runtime
