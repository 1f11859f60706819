#include "cni/invoke.h"

#include <sys/stat.h>

#include <cerrno>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "cni/error.h"

namespace berth::cni {

namespace {

constexpr int kAttempts = 5;
constexpr std::chrono::seconds kPause{1};

base::CommandResult run_with_retries(const base::Command& command) {
  for (int attempt = 1;; ++attempt) {
    try {
      return base::run_command(command);
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

Invocation invoke(const std::string& program, const std::vector<std::string>& env, const std::string& input,
                  std::optional<std::chrono::milliseconds> timeout, const std::function<void(pid_t)>& started) {
  base::Command command;
  command.path = program;
  command.env = env;
  command.input = input;
  command.timeout = timeout;
  command.started = started;
  auto result = run_with_retries(command);
  if (result.timed_out) {
    throw Error(Code::kTryAgainLater, program + " did not finish within " + std::to_string(timeout->count()) + " ms",
                result.error);
  }
  if (!result.ok()) throw failure_of(program, result);
  return {std::move(result.output), result.duration};
}

}  // namespace berth::cni
