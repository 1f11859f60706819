#include "process/inherited_fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>

namespace berth::runtime {

namespace {

constexpr int kMostActivated = 1024;

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  const auto* end = text + std::strlen(text);
  const auto result = std::from_chars(text, end, number);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

int activated_for_us() {
  if (number_in("LISTEN_PID") != ::getpid()) return 0;
  const int count = number_in("LISTEN_FDS").value_or(0);
  return count > 0 && count <= kMostActivated ? count : 0;
}

/// What we opened ourselves is close-on-exec; what our caller left open for us cannot be.
bool is_inherited(int fd) {
  const int flags = ::fcntl(fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

}  // namespace

InheritedFds InheritedFds::of_caller(int preserved, bool with_activated) {
  if (preserved < 0) throw std::runtime_error("--preserve-fds must not be negative");
  InheritedFds fds{with_activated ? activated_for_us() : 0, preserved};
  for (int fd = 3; fd < fds.end(); ++fd) {
    if (is_inherited(fd)) continue;
    const bool activated = fd < 3 + fds.activated;
    throw std::runtime_error(
        (activated ? "LISTEN_FDS=" + std::to_string(fds.activated) : "--preserve-fds " + std::to_string(preserved)) +
        ": descriptor " + std::to_string(fd) + " is not open");
  }
  return fds;
}

std::vector<std::string> InheritedFds::environment() const {
  if (activated == 0) return {};
  return {"LISTEN_FDS=" + std::to_string(activated), "LISTEN_PID=" + std::to_string(::getpid())};
}

}  // namespace berth::runtime
