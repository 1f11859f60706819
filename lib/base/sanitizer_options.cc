// What a program of the preset asan is told by nobody: few of them inherit a whole environment, and most of what they
// write to stderr is read by a test, or by nobody. So each report is a file of its own, which scripts/test looks for.

#include <unistd.h>

#include <array>
#include <climits>
#include <fstream>
#include <string>
#include <string_view>

namespace {

/// Whether the next child is born in another pid namespace than ours.
bool has_left_pid_namespace() {
  std::array<char, NAME_MAX> own{};
  std::array<char, NAME_MAX> next{};
  if (::readlink("/proc/self/ns/pid", own.data(), own.size() - 1) < 0) return false;
  // (None has been born there yet: then nothing can be read.)
  return ::readlink("/proc/self/ns/pid_for_children", next.data(), next.size() - 1) < 0 ||
         std::string_view(own.data()) != next.data();
}

/// Whether a test, or somebody with a debugger, looks at our system calls.
bool is_traced() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("TracerPid:")) return line != "TracerPid:\t0";
  }
  return false;
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): the sanitizers' names.
extern "C" {

[[gnu::visibility("default")]] const char* __asan_default_options();
[[gnu::visibility("default")]] const char* __ubsan_default_options();
[[gnu::visibility("default")]] int __lsan_is_turned_off();

const char* __asan_default_options() {
  return "log_path=" BERTH_SANITIZER_REPORTS
         "/address:exitcode=99:strict_string_checks=1:detect_stack_use_after_return=1:check_initialization_order=1";
}

const char* __ubsan_default_options() {
  return "log_path=" BERTH_SANITIZER_REPORTS "/undefined:exitcode=99:print_stacktrace=1";
}

/// What looks for leaks is a child of the process, which it traces. In another pid namespace, which `exec` joins, it
/// does not know its parent and ends, and the process waits for it forever. A process that is traced has its tracer
/// already.
int __lsan_is_turned_off() {
  return has_left_pid_namespace() || is_traced() ? 1 : 0;
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
