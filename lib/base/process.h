#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace berth::base {

/// A program to run to its end with its three standard streams captured.
struct Command {
  std::string path;                                  ///< Absolute or relative path; PATH is never searched.
  std::vector<std::string> argv;                     ///< argv[0] included; empty means {path}.
  std::vector<std::string> env;                      ///< "KEY=VALUE"; the whole environment of the program.
  std::string working_directory;                     ///< Empty: the caller's.
  std::string input;                                 ///< Written to its stdin, then closed. EPIPE is not an error.
  std::optional<std::chrono::milliseconds> timeout;  ///< On expiry the program's whole process group is killed.
  size_t output_limit = 16 << 20;                    ///< Bytes kept of each stream; the rest is read and dropped.
  std::function<void(pid_t)> started;                ///< Called with its process id, and group's, before it gets input.
};

struct CommandResult {
  std::optional<int> exit_status;  ///< Set if it exited.
  std::optional<int> signal;       ///< Set if a signal killed it.
  bool timed_out = false;
  std::string output;  ///< stdout
  std::string error;   ///< stderr
  std::chrono::microseconds duration{0};

  bool ok() const { return exit_status == 0 && !timed_out; }
  /// "exit status 3", "signal: killed" — the form in which container runtimes report it.
  std::string status_text() const;
};

/// The calling process' environment, "KEY=VALUE" each.
std::vector<std::string> own_environment();

/// Runs a program in a process group of its own and waits for it; no descriptor but 0, 1 and 2 is inherited, signal
/// dispositions and mask are the defaults. Does not wait for grandchildren that keep the pipes open after it ended.
/// Throws SystemError "run PATH: …" if it cannot be started.
CommandResult run_command(const Command& command);

}  // namespace berth::base
