#include "helper.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

namespace berth::user_network_hook {
namespace {

constexpr int kPatience = 5000;  // ms

/// The number may belong to another process by now.
bool is_ours(const Order& order, pid_t pid) {
  const auto command_line = base::read_if_present("/proc/" + std::to_string(pid) + "/cmdline").value_or("");
  return command_line.find(order.directory + "/network.") != std::string::npos;
}

bool ends_after(const base::Fd& pidfd, int signal) {
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
  pollfd entry{pidfd.get(), POLLIN, 0};
  return ::poll(&entry, 1, kPatience) > 0;
}

}  // namespace

void stop(const Order& order) {
  const auto text = base::read_if_present(order.pid_file()).value_or("");
  const auto pid = static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
  const base::Fd pidfd(pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1);
  if (pidfd && is_ours(order, pid) && !ends_after(pidfd, SIGTERM) && !ends_after(pidfd, SIGKILL))
    throw std::runtime_error(order.program + ": process " + std::to_string(pid) + " does not end");
  for (const auto& file : {order.pid_file(), order.api_socket()}) base::remove_if_present(file);
}

std::string failure_text(const Order& order, const std::string& status, const std::string& said) {
  std::string text = order.program.substr(order.program.rfind('/') + 1) + ": " + status + ": " + said;
  while (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace berth::user_network_hook
