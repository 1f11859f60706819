#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "cni/plugin/plugin.h"

namespace berth::cni {

namespace {

constexpr std::array<int, 2> kInterruptions{SIGTERM, SIGINT};

volatile sig_atomic_t interrupted_by = 0;
volatile sig_atomic_t delegates_group = 0;  // 0: none runs

void remember_signal(int signal) {
  interrupted_by = signal;
  if (delegates_group > 0) ::kill(-delegates_group, signal);
}

/// Without SA_RESTART, so that waiting calls end and the next step sees the signal.
void catch_interruptions() {
  struct sigaction action {};
  action.sa_handler = remember_signal;
  for (const int signal : kInterruptions) ::sigaction(signal, &action, nullptr);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The version to report an error in: the configuration's if it can be told, else our newest.
std::string version_for_errors(const std::string& input, const Plugin& plugin) {
  try {
    const base::Json config = base::parse_json(input);
    const auto version = base::JsonObject(config).string("cniVersion");
    if (version && !version->empty()) return *version;
  } catch (const base::JsonError&) {
    // Then nobody can say which version the caller speaks.
  }
  return plugin.versions().back();
}

std::string supported_versions(const std::string& input, const Plugin& plugin) {
  base::Json answer;
  answer["cniVersion"] = version_for_errors(input, plugin);
  answer["supportedVersions"] = plugin.versions();
  return answer.dump() + "\n";
}

/// CNI_NETNS must not be where the plugin itself runs. A path that cannot be opened is for the command to judge.
void refuse_own_namespace(const std::string& netns) {
  if (netns.empty()) return;
  const std::string override_text = environment("CNI_NETNS_OVERRIDE");
  if (override_text == "1" || ::strcasecmp(override_text.c_str(), "true") == 0) return;
  struct stat there {};
  struct stat here {};
  if (::stat(netns.c_str(), &there) != 0 || ::stat("/proc/self/ns/net", &here) != 0) return;
  if (there.st_dev == here.st_dev && there.st_ino == here.st_ino) {
    throw Error(Code::kInvalidNetNs, "plugin's netns and netns from CNI_NETNS should not be the same", netns);
  }
}

void require_version(const Request& request, const char* minimum) {
  if (compare_versions(request.version(), minimum) < 0) {
    throw Error(Code::kIncompatibleVersion, "config version does not allow " + request.command(),
                "config is \"" + request.version() + "\", needs " + minimum);
  }
}

std::string add(Plugin& plugin, const Request& request) {
  refuse_own_namespace(request.netns());
  catch_interruptions();
  return plugin.add(request).to_json(request.version()).dump(4);
}

/// What is to be printed; nothing unless it is an ADD.
std::string perform(Plugin& plugin, const Request& request) {
  const std::string& command = request.command();
  if (command == "ADD") return add(plugin, request);
  if (command == "DEL") {
    refuse_own_namespace(request.netns());
    plugin.del(request);
  } else if (command == "CHECK") {
    require_version(request, "0.4.0");
    plugin.check(request);
  } else if (command == "GC") {
    require_version(request, "1.1.0");
    // A caller that names no valid attachments at all says nothing about which are not.
    if (request.valid_attachments()) plugin.gc(request);
  } else if (command == "STATUS") {
    require_version(request, "1.1.0");
    plugin.status(request);
  } else {
    throw Error(Code::kInvalidEnvironment, "unknown CNI_COMMAND: " + command);
  }
  return {};
}

void print_about(const Plugin& plugin) {
  std::string versions;
  for (const auto& version : plugin.versions()) versions += (versions.empty() ? "" : ", ") + version;
  std::fprintf(stderr, "CNI %s plugin v%s\nCNI protocol versions supported: %s\n", plugin.name(),
               plugin.program_version(), versions.c_str());
}

std::string read_input() {
  try {
    return base::read_all(STDIN_FILENO, "stdin");
  } catch (const std::exception& error) {
    throw Error(Code::kIoFailure, error.what());
  }
}

void print(const std::string& output) {
  try {
    base::write_all(STDOUT_FILENO, output, "stdout");
  } catch (const std::exception& error) {
    throw Error(Code::kInternal, error.what());
  }
}

/// Runs the command, and returns what is to be printed; whatever it throws becomes the protocol's error.
std::string perform_or_throw_error(Plugin& plugin, const std::string& input) {
  try {
    if (environment("CNI_COMMAND") == "VERSION") return supported_versions(input, plugin);
    return perform(plugin, Request::parse(input, plugin.versions()));
  } catch (const Error&) {
    throw;
  } catch (const base::JsonError& error) {
    throw Error(Code::kInvalidNetworkConfig, error.what());
  } catch (const std::exception& error) {
    throw Error(Code::kInternal, error.what());
  }
}

/// The signals that interrupt a call within a process, which may itself be a plugin's at ADD: what has interrupted that
/// one does not interrupt this call, be it the DEL that undoes it; what interrupts this call interrupts that one, too.
class OwnInterruptions {
 public:
  OwnInterruptions() : outer_(interrupted_by) {
    interrupted_by = 0;
    for (size_t i = 0; i < kInterruptions.size(); ++i) ::sigaction(kInterruptions[i], nullptr, &actions_[i]);
  }

  /// The caller gets a signal that has come, unless the error that the call ends with has told it.
  void end(bool failed) {
    for (size_t i = 0; i < kInterruptions.size(); ++i) ::sigaction(kInterruptions[i], &actions_[i], nullptr);
    const sig_atomic_t came = interrupted_by;
    interrupted_by = outer_;
    const bool is_within_add = actions_[0].sa_handler == remember_signal;
    if (came != 0 && (is_within_add || !failed)) ::raise(came);
  }

 private:
  sig_atomic_t outer_;
  std::array<struct sigaction, kInterruptions.size()> actions_{};
};

}  // namespace

bool is_interrupted() {
  return interrupted_by != 0;
}

void throw_if_interrupted() {
  if (!is_interrupted()) return;
  throw Error(Code::kTryAgainLater, interrupted_by == SIGTERM ? "interrupted by SIGTERM" : "interrupted by SIGINT");
}

void ForwardedInterruptions::to(pid_t process_group) {
  delegates_group = process_group;
  if (interrupted_by != 0) ::kill(-process_group, interrupted_by);
}

ForwardedInterruptions::~ForwardedInterruptions() {
  delegates_group = 0;
}

int run_plugin(Plugin& plugin) {
  ::mallopt(M_ARENA_MAX, 1);  // a heap for each short-lived thread costs more than sharing one
  if (environment("CNI_COMMAND").empty()) {
    print_about(plugin);
    return 0;
  }
  std::string input;
  try {
    input = read_input();
    print(perform_or_throw_error(plugin, input));
    return 0;
  } catch (const Error& error) {
    const std::string object = error.to_json(version_for_errors(input, plugin));
    std::fwrite(object.data(), 1, object.size(), stdout);
    std::fflush(stdout);
    return 1;
  }
}

std::string call_plugin(Plugin& plugin, const std::string& input) {
  OwnInterruptions interruptions;
  try {
    std::string output = perform_or_throw_error(plugin, input);
    interruptions.end(false);
    return output;
  } catch (const Error&) {
    interruptions.end(true);
    throw;
  }
}

}  // namespace berth::cni
