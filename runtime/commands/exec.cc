#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/file.h"
#include "commands/command.h"
#include "commands/command_line.h"
#include "commands/create_flags.h"
#include "container/lifecycle.h"

namespace berth::runtime {

namespace {

struct ExecFlags {
  ExecOptions options;
  std::string cwd, user, process_file, process_label, apparmor;
  std::vector<std::string> env, additional_gids, caps;
  int preserve_fds = 0;
  bool tty = false;
  bool no_new_privileges = false;
};

void define(CommandLine& line, ExecFlags& flags) {
  line.value("console-socket", flags.options.console_socket, "AF_UNIX socket that receives the master of the console");
  line.value("pidfd-socket", flags.options.pidfd_socket, "AF_UNIX socket that receives a pidfd of the process");
  line.value("cwd", flags.cwd, "working directory in the container");
  line.values("env,e", flags.env, "set an environment variable: KEY=VALUE (repeatable)");
  line.flag("tty,t", flags.tty, "allocate a terminal");
  line.value("user,u", flags.user, "UID[:GID], numbers only");
  line.values("additional-gids,g", flags.additional_gids, "additional group id (repeatable)");
  line.value("process,p", flags.process_file, "file with a process object, instead of a command");
  line.flag("detach,d", flags.options.detach, "do not wait for the process");
  line.value("pid-file", flags.options.pid_file, "write the process id to this file");
  line.value("process-label", flags.process_label, "SELinux label of the process");
  line.value("apparmor", flags.apparmor, "AppArmor profile of the process");
  line.flag("no-new-privs", flags.no_new_privileges, "set the no_new_privs bit of the process");
  line.values("cap,c", flags.caps, "add a capability (repeatable)");
  line.number("preserve-fds", flags.preserve_fds, "pass this many more file descriptors to the process");
  line.value("cgroup", flags.options.cgroup, "run in this sub-cgroup: [CONTROLLER[,CONTROLLER]:]PATH");
  line.flag("ignore-paused", flags.options.ignore_paused, "also in a paused container");
  line.stop_at_first_argument();
}

uint32_t parse_id(const std::string& text, const char* kind) {
  uint32_t id = 0;
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, id);
  // The highest number means "no change" to setresuid: the process would stay root (CVE-2026-30892 was of this kind).
  constexpr uint32_t kNoChange = std::numeric_limits<uint32_t>::max();
  if (result.ec != std::errc() || result.ptr != end || id == kNoChange) {
    throw std::runtime_error("parsing \"" + text + "\" as a " + kind +
                             " failed: it is not a number from 0 to 4294967294");
  }
  return id;
}

void apply_user(const std::string& text, oci::User& user) {
  const auto colon = text.find(':');
  user.uid = parse_id(text.substr(0, colon), "uid");
  if (colon != std::string::npos) user.gid = parse_id(text.substr(colon + 1), "gid");
}

/// Adds to what the configuration grants: never to inheritable, and to ambient only where something is inheritable.
void apply_capabilities(const std::vector<std::string>& names, std::optional<oci::Capabilities>& capabilities) {
  if (names.empty()) return;
  if (!capabilities) capabilities.emplace();
  const bool raise_ambient = !capabilities->inheritable.empty();
  for (std::string name : names) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
    if (!name.starts_with("CAP_")) name.insert(0, "CAP_");
    for (auto* set : {&capabilities->bounding, &capabilities->effective, &capabilities->permitted})
      set->push_back(name);
    if (raise_ambient) capabilities->ambient.push_back(name);
  }
}

oci::Process process_from_flags(const CommandLine& line, const ExecFlags& flags, const oci::Config& config,
                                const std::vector<std::string>& command) {
  if (command.empty()) throw std::runtime_error("process args cannot be empty");
  oci::Process process = config.process.value_or(oci::Process{});
  process.args = command;
  if (!flags.cwd.empty()) process.cwd = flags.cwd;
  if (!process.cwd.starts_with('/')) throw std::runtime_error("Cwd must be an absolute path: \"" + process.cwd + "\"");
  process.terminal = flags.tty;
  if (line.given("no-new-privs")) process.no_new_privileges = flags.no_new_privileges;
  for (const auto& entry : flags.env) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw std::runtime_error("--env: expected KEY=VALUE, got \"" + entry + "\"");
    }
    process.env.push_back(entry);
  }
  if (!flags.user.empty()) apply_user(flags.user, process.user);
  for (const auto& gid : flags.additional_gids) process.user.additional_gids.push_back(parse_id(gid, "gid"));
  apply_capabilities(flags.caps, process.capabilities);
  if (!flags.apparmor.empty()) process.apparmor_profile = flags.apparmor;
  if (!flags.process_label.empty()) process.selinux_label = flags.process_label;
  return process;
}

oci::Process process_of(const oci::Config& config, const CommandLine& line, const ExecFlags& flags,
                        const std::vector<std::string>& command) {
  if (flags.process_file.empty()) return process_from_flags(line, flags, config, command);
  if (!command.empty()) throw std::runtime_error("--process and a command exclude each other");
  return oci::parse_process(base::read_file(flags.process_file), flags.process_file);
}

}  // namespace

int exec_command(const Globals& globals, const Words& words) {
  ExecFlags flags;
  CommandLine line({"berth exec", "execute a new process inside the container", "<container-id> [command...]",
                    "The process is like the container's own, except for what flags say."});
  define(line, flags);
  auto arguments = line.parse(words, 1, static_cast<size_t>(-1));
  try {
    flags.options.id = arguments[0];
    auto store = globals.store();
    const auto record = store.load(flags.options.id);
    const auto config = store.load_config(record);
    const auto process = process_of(config, line, flags, {arguments.begin() + 1, arguments.end()});
    // What the container's own process should have was said when it was created.
    if (!flags.caps.empty() || !flags.process_file.empty()) warn_of_unavailable_capabilities(process, config);
    flags.options.inherited = InheritedFds::of_caller(flags.preserve_fds, false);
    check_console(process.terminal, flags.options.detach, flags.options.console_socket);
    return exec_container(store, record, config, flags.options, process);
  } catch (const std::exception& error) {
    throw ExecError(std::string("exec failed: ") + error.what());
  }
}

}  // namespace berth::runtime
