#pragma once

#include <string>
#include <vector>

#include "net/netns.h"

namespace berth::bench {

/// What running a program cost, its own children's share included as far as it waited for them (wait4(2)).
struct Cost {
  double wall_ms = 0;
  double cpu_ms = 0;     ///< User and system.
  long page_faults = 0;  ///< Minor and major.
  long context_switches = 0;
};

/// A program with its arguments (argv[0] is a path) and whole environment ("KEY=VALUE").
struct Program {
  std::vector<std::string> argv;
  std::vector<std::string> env;
};

/// Runs a program to its end with `input` on stdin, and everything it prints in a file that is read only if it fails.
/// Throws with what it printed unless it exits with 0.
Cost run_measured(const Program& program, const std::string& input = "");
/// As above; true if it exited with 0.
bool succeeds(const Program& program, const std::string& input = "");

/// A command of bench/floor, with its arguments.
Program floor_command(std::vector<std::string> words);

/// Peak memory of a program's largest process, in KiB.
long peak_memory(const Program& program);

/// Number of system calls of a program and its children, by strace -f -c. Throws if strace is not installed.
long count_system_calls(const Program& program);

}  // namespace berth::bench
