#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace berth::test {

/// A program that is to be ended on its way.
struct Program {
  Program(std::vector<std::string> words) : argv(std::move(words)) {}

  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  ///< Beside its caller's.
  std::string input;
};

/// A CNI plugin, as run_plugin runs it.
Program plugin_program(const std::string& path, std::map<std::string, std::string> env, const std::string& config);

/// What became of it.
struct Killed {
  bool killed = false;  ///< False: it had ended before.
  std::string at;       ///< Before which system call, or when: for messages.
  std::string output;   ///< What it had written by then.
  std::optional<int> exit_status;
};

/// Runs `program` again and again, and ends it each time by SIGKILL, and nothing it has started, before the next one of
/// its system calls that can change anything outside of itself: whatever it may leave behind, it leaves behind at one
/// of these points. `prepare` makes what it works on; `check` sees what became of it. Ends with the first run that was
/// not ended, or when the test has failed. Returns how many points there were. Call it from the main thread.
int kill_everywhere(
    const Program& program, const std::function<void(const Killed&)>& check,
    const std::function<void()>& prepare = [] {});

/// The same with SIGTERM, by which the program is asked to end; waits until it has.
int interrupt_everywhere(const Program& program, const std::function<void(const Killed&)>& check);

/// Kills it after some time, for what happens while it waits for others.
Killed kill_after(const Program& program, std::chrono::microseconds time);

}  // namespace berth::test
