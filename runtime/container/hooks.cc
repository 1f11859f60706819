#include "container/hooks.h"

#include <unistd.h>

#include <cstdio>
#include <stdexcept>

#include "base/error.h"
#include "base/process.h"
#include "log.h"

namespace berth::runtime {

namespace {

/// What is quoted of a hook's output: the end, where the reason usually is.
constexpr size_t kQuoted = 4096;

std::string tail(const std::string& text) {
  return text.size() <= kQuoted ? text : "…" + text.substr(text.size() - kQuoted);
}

using Environment = std::vector<std::string>;

Environment environment_of(const oci::Hook& hook, const std::string& stage,
                           const std::optional<Environment>& fallback) {
  Environment env = hook.env ? *hook.env : fallback ? *fallback : base::own_environment();
  const std::string key = "OCI_HOOK_STAGE=";
  std::erase_if(env, [&](const std::string& entry) { return entry.rfind(key, 0) == 0; });
  env.push_back(key + stage);
  return env;
}

std::string describe_timeout(int64_t seconds) {
  char text[64];
  std::snprintf(text, sizeof text, "hook ran past specified timeout of %.1fs", static_cast<double>(seconds));
  return text;
}

void run_hook(const std::string& stage, size_t index, const oci::Hook& hook, const std::string& input,
              const std::string& working_directory, const std::optional<Environment>& environment,
              const HookStarted& started) {
  base::Command command;
  command.path = hook.path;
  command.argv = hook.args;
  command.env = environment_of(hook, stage, environment);
  command.working_directory = working_directory;
  command.input = input;
  command.started = started;
  if (hook.timeout) command.timeout = std::chrono::seconds(*hook.timeout);
  const std::string name = "error running " + stage + " hook #" + std::to_string(index) + ": ";
  // In the container the log may be out of reach.
  if (started) log_debug(stage + " hook #" + std::to_string(index) + ": " + hook.path);
  base::CommandResult result;
  try {
    result = base::run_command(command);
  } catch (const std::exception& error) {
    throw std::runtime_error(name + error.what());
  }
  if (result.ok()) return;
  const std::string why = result.timed_out ? describe_timeout(*hook.timeout) : result.status_text();
  throw std::runtime_error(name + why + ", stdout: " + tail(result.output) + ", stderr: " + tail(result.error) +
                           ", path: " + hook.path);
}

}  // namespace

void run_hooks(const std::string& stage, const std::vector<oci::Hook>& hooks, const oci::State& state,
               const std::string& working_directory, const std::optional<Environment>& environment,
               const HookStarted& started) {
  if (hooks.empty()) return;
  const std::string input = state.to_hook_json();
  for (size_t index = 0; index < hooks.size(); ++index)
    run_hook(stage, index, hooks[index], input, working_directory, environment, started);
}

std::vector<std::string> run_all_hooks(const std::string& stage, const std::vector<oci::Hook>& hooks,
                                       const oci::State& state, const std::string& working_directory,
                                       const HookStarted& started) {
  std::vector<std::string> failures;
  if (hooks.empty()) return failures;
  const std::string input = state.to_hook_json();
  for (size_t index = 0; index < hooks.size(); ++index) {
    try {
      run_hook(stage, index, hooks[index], input, working_directory, std::nullopt, started);
    } catch (const std::exception& error) {
      failures.emplace_back(error.what());
    }
  }
  return failures;
}

HookStarted note_hooks_of(Store& store, const std::string& id) {
  return [&store, id](pid_t pid) {
    try {
      store.note_hook(id, pid);
    } catch (const base::SystemError&) {
      // It matters only if we are killed, too: a full disk must not keep a hook from cleaning up.
    }
  };
}

}  // namespace berth::runtime
