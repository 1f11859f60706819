#pragma once

#include <chrono>
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

/// Runs `program` and ends it by SIGKILL, and nothing it has started, before its `nth` system call (from 1) that can
/// change anything outside of itself. Whatever it may leave behind, it leaves behind at one of these points. Call it
/// from the main thread.
Killed kill_before_effect(const Program& program, int nth);

/// The same after some time, for what happens while it waits for others.
Killed kill_after(const Program& program, std::chrono::microseconds time);

/// Asks the program to end, by SIGTERM, at such a point, and waits until it has.
Killed interrupt_before_effect(const Program& program, int nth);

}  // namespace berth::test
