#include <strings.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "commands/command.h"
#include "commands/command_line.h"
#include "commands/version.h"
#include "container/lifecycle.h"
#include "log.h"
#include "process/namespaces.h"
#include "process/standard_streams.h"
#include "security/early_start.h"
#include "security/self_exe.h"

namespace berth::runtime {

namespace {

constexpr Command kCommands[] = {
    {"checkpoint", "save the state of a running container to files", checkpoint_command},
    {"create", "create a container", create_command},
    {"delete", "delete any resources held by the container", delete_command},
    {"events", "display what a container uses, and when it runs out of memory", events_command},
    {"exec", "execute a new process inside the container", exec_command},
    {"features", "show the enabled features", features_command},
    {"kill", "send a signal to the container's init process", kill_command},
    {"list", "list the containers of the given root", list_command},
    {"network", "look at networks, check and repair them", network_command},
    {"pause", "suspend all processes of a container", pause_command},
    {"port", "list the published ports of a container", port_command},
    {"ps", "list the processes of a container", ps_command},
    {"restore", "make a container from a checkpoint", restore_command},
    {"resume", "resume all processes of a paused container", resume_command},
    {"run", "create and run a container", run_command},
    {"spec", "create a new specification file", spec_command},
    {"start", "execute the process of a created container", start_command},
    {"state", "output the state of a container", state_command},
    {"update", "change the limits of a container", update_command},
};

constexpr int kFailure = 1;
constexpr int kUnknownCommand = 3;
constexpr int kExecFailure = 255;

struct GlobalFlags {
  Globals globals;
  std::string log_file;
  std::string log_format = "text";
  std::string rootless = "auto";
  std::string criu;
  bool debug = false;
  bool version = false;
};

std::string command_list() {
  std::string text = "COMMANDS:\n";
  for (const auto& command : kCommands) {
    text +=
        std::string("   ") + command.name + std::string(11 - std::strlen(command.name), ' ') + command.summary + "\n";
  }
  return text + "   help       show this list, or the help of one command";
}

void define(CommandLine& line, GlobalFlags& flags) {
  line.value("root", flags.globals.root,
             "directory for the state of containers, best on a tmpfs (default: /run/berth)");
  line.value("log", flags.log_file, "append the log to this file (default: stderr)");
  line.value("log-format", flags.log_format, "format of the log: text (default) or json");
  line.flag("debug", flags.debug, "log what is being done");
  line.flag("systemd-cgroup", flags.globals.systemd_cgroup, "let systemd manage cgroups: a unit for each container");
  line.value("cgroup-manager", flags.globals.cgroup_manager, "cgroupfs (default), systemd or disabled");
  line.value("rootless", flags.rootless, "ignore cgroup permission errors: true, false or auto (default)");
  line.value("criu", flags.criu, "obsolete: accepted and ignored");
  line.flag("version,v", flags.version, "print the version");
  line.stop_at_first_argument();
}

void check_cgroup_manager(const std::string& name) {
  if (name.empty() || name == "cgroupfs" || name == "systemd" || name == "disabled") return;
  throw std::runtime_error("invalid cgroup-manager: " + name + " (one of cgroupfs, systemd, disabled)");
}

LogFormat log_format(const std::string& name) {
  if (name.empty() || name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  throw std::runtime_error("invalid log-format: " + name);
}

const Command* find_command(const std::string& name) {
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                   [&](const Command& command) { return name == command.name; });
  return found == std::end(kCommands) ? nullptr : found;
}

int dispatch(const Globals& globals, const Words& words) {
  const auto& name = words.front();
  if (const auto* command = find_command(name)) return command->run(globals, Words(words.begin() + 1, words.end()));
  log_error("No help topic for '" + name + "'");
  return kUnknownCommand;
}

bool is_rootless(const std::string& flag) {
  if (flag.empty() || ::strcasecmp(flag.c_str(), "auto") == 0) return ::geteuid() != 0 || !in_initial_user_namespace();
  const auto choice = parse_boolean(flag);
  if (!choice) throw std::runtime_error("invalid rootless: " + flag + " (one of auto, true, false)");
  return *choice;
}

bool enters_container(const std::string& command) {
  return std::find(std::begin(kEntersContainer), std::end(kEntersContainer), command) != std::end(kEntersContainer);
}

int run_words(const Words& all, char** argv) {
  learn_own_executable();
  GlobalFlags flags;
  const auto commands = command_list();
  CommandLine line({"berth", "a compact OCI runtime that connects containers to networks", "command [arguments...]",
                    commands.c_str()});
  define(line, flags);
  auto words = line.parse(all);
  if (flags.version) {
    print(version_text(argv[0]));
    return 0;
  }
  if (!words.empty() && enters_container(words[0])) protect_own_executable(argv);
  open_log(flags.log_file, log_format(flags.log_format), flags.debug);
  check_cgroup_manager(flags.globals.cgroup_manager);
  flags.globals.root = absolute_path(flags.globals.root);
  flags.globals.rootless = is_rootless(flags.rootless);

  const bool wants_help = !words.empty() && (words[0] == "help" || words[0] == "h");
  if (words.empty() || (wants_help && words.size() == 1)) throw HelpRequested(line.help());
  if (wants_help) words = {words[1], "--help"};
  log_debug("command " + words[0]);
  return dispatch(flags.globals, words);
}

/// print() for handlers of exceptions: returns the exit status.
int show(const std::string& text) {
  try {
    print(text);
    return 0;
  } catch (const base::SystemError& error) {
    log_error(error.what());
    return kFailure;
  }
}

std::string default_root() {
  const char* runtime_directory = std::getenv("XDG_RUNTIME_DIR");
  if (runtime_directory == nullptr || *runtime_directory == '\0') return "/run/berth";
  if (::geteuid() == 0) {
    const char* user = std::getenv("USER");
    const bool is_root = user != nullptr && std::strcmp(user, "root") == 0;
    if (is_root || in_initial_user_namespace()) return "/run/berth";
  }
  return std::string(runtime_directory) + "/berth";
}

}  // namespace

Store Globals::store() const {
  if (root == "/") throw std::runtime_error("Option --root argument should not be set to /");
  return Store(root.empty() ? default_root() : root);
}

void print(const std::string& text) {
  base::write_all(STDOUT_FILENO, text, "stdout");
}

std::string absolute_path(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  auto clean = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) throw base::SystemError("find the current directory, which " + path + " is relative to", error.value());
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

std::string bundle_directory(const std::string& path) {
  const auto given = path.empty() ? "." : path;
  std::error_code error;
  const auto found = std::filesystem::canonical(given, error);
  if (!error) return found;
  const auto absolute = std::filesystem::absolute(given, error);
  return error ? given : absolute.string();
}

int run_command_line(int argc, char** argv) {
  try {
    open_missing_streams();
    if (argc < 1) throw std::runtime_error("berth was started without a name");
    // Every flag says what to do with root's rights: whoever may run this must have them.
    if (::getauxval(AT_SECURE) != 0)
      throw std::runtime_error("berth must not be set-user-id, set-group-id or have file capabilities");
    const int status = run_words(Words(argv + 1, argv + argc), argv);
    finish_log();
    return status;
  } catch (const HelpRequested& help) {
    return show(help.what());
  } catch (const UsageError& error) {
    show(error.usage());
    log_error(error.what());
    return kFailure;
  } catch (const ExecError& error) {
    log_error(error.what());
    return kExecFailure;
  } catch (const std::exception& error) {
    log_error(error.what());
    return kFailure;
  }
}

}  // namespace berth::runtime
