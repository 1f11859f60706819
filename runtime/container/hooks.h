#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oci/config.h"
#include "oci/state.h"

namespace berth::runtime {

/// Runs hooks of one stage in order, with `state` on stdin, OCI_HOOK_STAGE in the environment, and `working_directory`
/// as cwd. Throws std::runtime_error at the first that fails: `error running createRuntime hook #0: exit status 3,
/// stdout: …, stderr: …, path: …`, on time-out `…: hook ran past specified timeout of 1.0s`. The hook's process group
/// is killed then. `environment` is for hooks that have none of their own; without it they get the runtime's.
void run_hooks(const std::string& stage, const std::vector<oci::Hook>& hooks, const oci::State& state,
               const std::string& working_directory,
               const std::optional<std::vector<std::string>>& environment = std::nullopt);

/// The same for clean-up (poststop): every hook is run, failures are returned.
std::vector<std::string> run_all_hooks(const std::string& stage, const std::vector<oci::Hook>& hooks,
                                       const oci::State& state, const std::string& working_directory);

}  // namespace berth::runtime
