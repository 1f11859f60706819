#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"

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
  int signal_when_caller_dies = 0;                   ///< Sent to it if the thread that started it ends before it.
  /// In place of executing the program: what its process is to do, as main() would, with `argv` (a fork of the caller,
  /// which must have no other threads).
  int (*main)(int argc, char** argv) = nullptr;
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

/// The words as execve(2) takes them, for as long as they live and stay as they are.
std::vector<char*> pointers(const std::vector<std::string>& words);

/// Default dispositions and an empty mask, as a program expects them that is to inherit nothing of ours.
void reset_signals();

/// A program that runs, in a process group of its own; no descriptor but 0, 1 and 2 is inherited, signal dispositions
/// and mask are the defaults.
class RunningCommand {
 public:
  /// Starts it, and gives it as much of its input as a pipe holds (64 KiB). Throws SystemError "run PATH: …" if it
  /// cannot be started.
  explicit RunningCommand(Command command);
  /// Kills its process group if it was not waited for.
  ~RunningCommand();
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

  /// Gives it the rest of its input and waits for it; not for grandchildren that keep the pipes open after it ended. To
  /// be called once.
  CommandResult finish();

 private:
  void write_what_fits();
  void abandon();

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Command command_;
  size_t written_ = 0;  ///< Of the input.
  Fd in_, out_, err_;   ///< Our ends of the pipes.
  pid_t pid_ = -1;      ///< -1: waited for.
};

/// Runs a program to its end, as RunningCommand has it.
CommandResult run_command(Command command);

}  // namespace berth::base
