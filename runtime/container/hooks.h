#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "container/store.h"
#include "oci/config.h"
#include "oci/state.h"

namespace berth::runtime {

/// Is told of each hook's process before the hook gets its State.
using HookStarted = std::function<void(pid_t)>;

/// Runs hooks of one stage in order, with `state` on stdin, OCI_HOOK_STAGE in the environment, and `working_directory`
/// as cwd. Throws std::runtime_error at the first that fails: `error running createRuntime hook #0: exit status 3,
/// stdout: …, stderr: …, path: …`, on time-out `…: hook ran past specified timeout of 1.0s`. The hook's process group
/// is killed then. `environment` is for hooks that have none of their own; without it they get the runtime's.
void run_hooks(const std::string& stage, const std::vector<oci::Hook>& hooks, const oci::State& state,
               const std::string& working_directory,
               const std::optional<std::vector<std::string>>& environment = std::nullopt,
               const HookStarted& started = {});

/// The same for clean-up (poststop): every hook is run, failures are returned.
std::vector<std::string> run_all_hooks(const std::string& stage, const std::vector<oci::Hook>& hooks,
                                       const oci::State& state, const std::string& working_directory,
                                       const HookStarted& started = {});

/// Notes each hook in the store, for the `delete` of a container whose runtime was killed meanwhile.
HookStarted note_hooks_of(Store& store, const std::string& id);

}  // namespace berth::runtime
