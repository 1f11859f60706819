#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace berth::test {

/// What became of a program that was to be killed.
struct Killed {
  bool killed = false;  ///< False: it had ended before.
  std::string at;       ///< Before which system call, or when: for messages.
  std::string output;   ///< What it had written by then.
};

/// Runs `argv` and ends it by SIGKILL, and nothing it has started, before its `nth` system call (from 1) that can
/// change anything outside of itself. Whatever it may leave behind, it leaves behind at one of these points. Call it
/// from the main thread.
Killed kill_before_effect(const std::vector<std::string>& argv, int nth);

/// The same after some time, for what happens while it waits for others.
Killed kill_after(const std::vector<std::string>& argv, std::chrono::microseconds time);

}  // namespace berth::test
