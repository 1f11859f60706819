#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/unix_socket.h"
#include "helper.h"

namespace berth::user_network_hook {

using base::check;
using base::Json;

namespace {

constexpr int kPatience = 10'000;  // ms
constexpr int kLastMoment = 500;   // ms
constexpr int kReadyFd = 3;

std::vector<std::string> command_line(const Order& order) {
  const std::string namespaces = "/proc/" + std::to_string(order.container) + "/ns/";
  return {"slirp4netns",
          "--configure",
          "--mtu=65520",
          "--disable-host-loopback",
          "--userns-path=" + namespaces + "user",
          "--netns-type=path",
          "--api-socket=" + order.api_socket(),
          "--ready-fd=" + std::to_string(kReadyFd),
          namespaces + "net",
          order.interface};
}

/// In the child: the pid is written before there is anything to end.
[[noreturn]] void execute(const Order& order, const base::Fd& log, const base::Fd& ready) {
  try {
    check(::setsid(), "make a session");
    base::write_file_atomic(order.pid_file(), std::to_string(::getpid()), 0600);
    const base::Fd null = base::open_file("/dev/null", O_RDONLY);
    check(::dup2(null.get(), STDIN_FILENO), "replace stdin");
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) check(::dup2(log.get(), fd), "replace an output");
    // The others are close-on-exec.
    if (ready.get() == kReadyFd)
      check(::fcntl(kReadyFd, F_SETFD, 0), "keep a descriptor");
    else
      check(::dup2(ready.get(), kReadyFd), "keep a descriptor");
    const auto words = command_line(order);
    ::execv(order.program.c_str(), base::pointers(words).data());
    base::throw_errno("run " + order.program);
  } catch (const std::exception& error) {
    ::dprintf(log.get(), "%s\n", error.what());
    ::_exit(1);
  }
}

/// One byte comes when the interface is up, end of file when the program has died.
bool becomes_ready(const base::Fd& ready) {
  pollfd entry{ready.get(), POLLIN, 0};
  char byte = 0;
  return ::poll(&entry, 1, kPatience) > 0 && ::read(ready.get(), &byte, 1) == 1;
}

void launch(const Order& order) {
  const base::Fd log(check(::memfd_create("slirp4netns", MFD_CLOEXEC), "make a file in memory"));
  std::array<int, 2> ends;
  check(::pipe2(ends.data(), O_CLOEXEC), "create a pipe");
  const base::Fd ready(ends[0]);
  base::Fd theirs(ends[1]);
  const pid_t pid = check(::fork(), "fork");
  if (pid == 0) execute(order, log, theirs);
  theirs.reset();
  if (becomes_ready(ready)) return;
  // Its descriptors are closed a moment before it can be waited for.
  const base::Fd pidfd(check(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), "open the pidfd of slirp4netns"));
  pollfd end{pidfd.get(), POLLIN, 0};
  ::poll(&end, 1, kLastMoment);
  int status = 0;
  const bool ended = ::waitpid(pid, &status, WNOHANG) == pid && WIFEXITED(status);
  ::lseek(log.get(), 0, SEEK_SET);
  throw std::runtime_error(failure_text(order,
                                        ended ? "exit status " + std::to_string(WEXITSTATUS(status)) : "not ready",
                                        base::read_all(log.get(), "its log")));
}

/// One request of its API, as JSON; the answer.
std::string ask(const std::string& socket, const Json& request) {
  const base::Fd connection = base::connect_unix_socket(socket, "slirp4netns's API socket");
  base::write_all(connection.get(), request.dump(), socket);
  check(::shutdown(connection.get(), SHUT_WR), "finish a request to", socket);
  return base::read_all(connection.get(), socket);
}

void publish(const Order& order, const oci::PublishedPort& port) {
  const Json request{{"execute", "add_hostfwd"},
                     {"arguments",
                      {{"proto", port.protocol},
                       {"host_addr", port.host_ip ? port.host_ip->to_string() : "0.0.0.0"},
                       {"host_port", port.host_port},
                       {"guest_port", port.container_port}}}};
  const auto answer = ask(order.api_socket(), request);
  if (base::parse_json(answer).contains("return")) return;
  throw std::runtime_error("slirp4netns cannot publish " + oci::format_port(port) +
                           " (in use, or not this user's to take?): " + answer);
}

void require_ipv4(const Order& order) {
  for (const auto& port : order.ports) {
    if (port.host_ip && port.host_ip->is_v6())
      throw std::runtime_error("slirp4netns publishes on IPv4 addresses only, not " + oci::format_port(port));
  }
}

}  // namespace

void start_slirp4netns(const Order& order) {
  require_ipv4(order);
  launch(order);
  for (const auto& port : order.ports) publish(order, port);
}

}  // namespace berth::user_network_hook
