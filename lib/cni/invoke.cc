#include "cni/invoke.h"

#include <sys/stat.h>

#include <cerrno>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "cni/error.h"
#include "cni/resident.h"

namespace berth::cni {

namespace {

constexpr int kAttempts = 5;
constexpr std::chrono::seconds kPause{1};

std::unique_ptr<base::RunningCommand> start_with_retries(const base::Command& command) {
  for (int attempt = 1;; ++attempt) {
    try {
      return std::make_unique<base::RunningCommand>(command);
    } catch (const base::SystemError& error) {
      if (error.code() != ETXTBSY || attempt == kAttempts) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

bool is_error_object(const std::string& output) {
  try {
    const base::Json value = base::parse_json(output);
    return base::JsonObject(value).has("code");
  } catch (const base::JsonError&) {
    return false;
  }
}

Error failure_of(const std::string& program, const base::CommandResult& result) {
  if (is_error_object(result.output)) return Error::from_json(result.output);
  std::string text = program + ": " + result.status_text();
  if (!result.output.empty()) text += ": " + result.output;
  return {Code::kInternal, text, result.error};
}

}  // namespace

std::string find_plugin(const std::string& type, const std::vector<std::string>& directories) {
  if (type.empty()) throw Error(Code::kInvalidNetworkConfig, "no plugin name provided");
  if (type.find('/') != std::string::npos) throw Error(Code::kInvalidNetworkConfig, "invalid plugin name: " + type);
  std::string searched;
  for (const auto& directory : directories) {
    const std::string path = directory + "/" + type;
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) return path;
    searched += (searched.empty() ? "" : " ") + directory;
  }
  throw Error(Code::kInvalidNetworkConfig, "failed to find plugin \"" + type + "\" in path [" + searched + "]");
}

RunningPlugin::RunningPlugin(const std::string& program, const std::vector<std::string>& env, const std::string& input,
                             std::optional<std::chrono::milliseconds> timeout,
                             const std::function<void(pid_t)>& started, int signal_when_caller_dies)
    : program_(program), timeout_(timeout) {
  base::Command command;
  command.path = program;
  command.env = env;
  command.input = input;
  command.timeout = timeout;
  command.started = started;
  command.signal_when_caller_dies = signal_when_caller_dies;
  if (const auto* resident = find_resident(program)) command.main = resident->main;
  command_ = start_with_retries(command);
}

Invocation RunningPlugin::finish() {
  auto result = command_->finish();
  if (result.timed_out) {
    throw Error(Code::kTryAgainLater, program_ + " did not finish within " + std::to_string(timeout_->count()) + " ms",
                result.error);
  }
  if (!result.ok()) throw failure_of(program_, result);
  return {std::move(result.output), result.duration};
}

Invocation invoke(const std::string& program, const std::vector<std::string>& env, const std::string& input,
                  std::optional<std::chrono::milliseconds> timeout) {
  if (!timeout) {
    const auto start = std::chrono::steady_clock::now();
    if (auto output = call_resident(program, env, input)) {
      const auto end = std::chrono::steady_clock::now();
      return {std::move(*output), std::chrono::duration_cast<std::chrono::microseconds>(end - start)};
    }
  }
  return RunningPlugin(program, env, input, timeout).finish();
}

}  // namespace berth::cni
