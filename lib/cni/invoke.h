#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"

namespace berth::cni {

/// The executable `type` in the first directory that has it as a regular file (CNI spec 1.1.0, section 3).
/// Throws Error `failed to find plugin "x" in path [...]`, `no plugin name provided` or `invalid plugin name: …`.
std::string find_plugin(const std::string& type, const std::vector<std::string>& directories);

/// What a plugin printed, and how long it took.
struct Invocation {
  std::string output;
  std::chrono::microseconds duration{0};
};

/// A plugin that runs, with exactly this environment and stdin.
class RunningPlugin {
 public:
  /// Starts it; tries again while the file is being written (ETXTBSY). One that is part of this very executable
  /// (resident.h) is forked, not executed. `started` is called with its process id, which is also its group's.
  /// `signal_when_caller_dies`: as base::Command has it.
  RunningPlugin(const std::string& program, const std::vector<std::string>& env, const std::string& input,
                std::optional<std::chrono::milliseconds> timeout = std::nullopt,
                const std::function<void(pid_t)>& started = {}, int signal_when_caller_dies = 0);

  /// Waits for it; to be called once. Throws the plugin's own Error if it failed; without an error object one that
  /// quotes stderr, and stdout if there is any; on time-out Error(kTryAgainLater) naming plugin and time.
  Invocation finish();

 private:
  std::string program_;
  std::optional<std::chrono::milliseconds> timeout_;
  std::unique_ptr<base::RunningCommand> command_;
};

/// What a plugin answers. One that is part of this very executable is called within this process, unless its time is
/// limited; any other is started.
Invocation invoke(const std::string& program, const std::vector<std::string>& env, const std::string& input,
                  std::optional<std::chrono::milliseconds> timeout = std::nullopt);

}  // namespace berth::cni
