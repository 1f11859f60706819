#include <algorithm>
#include <limits>
#include <set>
#include <stdexcept>

#include "base/process.h"
#include "base/text.h"
#include "cgroups/cgroup.h"
#include "commands/command.h"
#include "commands/command_line.h"
#include "process/lookup.h"

namespace berth::runtime {

namespace {

/// What the host's ps says with these options.
std::string host_ps(Words options) {
  base::Command command;
  command.env = base::own_environment();
  // The caller's PATH is not asked: this runs with root's rights.
  command.path = find_program("ps", {std::string("PATH=") + kSystemPath});
  command.argv = std::move(options);
  command.argv.insert(command.argv.begin(), "ps");
  const auto result = base::run_command(command);
  if (!result.ok())
    throw std::runtime_error(command.path + ": " + result.status_text() + ": " + result.output + result.error);
  return result.output;
}

/// The header, and the lines whose PID is one of these.
std::string lines_of(const std::string& output, const std::vector<pid_t>& pids) {
  std::set<std::string> wanted;
  for (const pid_t pid : pids) wanted.insert(std::to_string(pid));
  const auto lines = base::split(output, '\n');
  if (lines.empty()) throw std::runtime_error("ps printed nothing");
  const auto header = base::split(lines.front(), ' ');
  const auto column = static_cast<size_t>(std::find(header.begin(), header.end(), "PID") - header.begin());
  if (column == header.size()) throw std::runtime_error("couldn't find PID field in ps output");
  std::string text = lines.front() + "\n";
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto fields = base::split(lines[i], ' ');
    if (column < fields.size() && wanted.contains(fields[column])) text += lines[i] + "\n";
  }
  return text;
}

/// "[1,2,3]"; "null" if there are none, as runc has it.
std::string json_of(const std::vector<pid_t>& pids) {
  std::string text;
  for (const pid_t pid : pids) text += (text.empty() ? "" : ",") + std::to_string(pid);
  return text.empty() ? "null\n" : "[" + text + "]\n";
}

}  // namespace

int ps_command(const Globals& globals, const Words& words) {
  std::string format = "table";
  CommandLine line({"berth ps", "list the processes of a container", "<container-id> [ps options]",
                    "The options are those of the host's ps, -ef if there are none."});
  line.value("format,f", format, "table (default) or json");
  line.stop_at_first_argument();
  const auto arguments = line.parse(words, 1, std::numeric_limits<size_t>::max());
  const auto pids = Cgroup::open(globals.store().load(arguments[0]).cgroups)->processes();
  if (format == "json") {
    print(json_of(pids));
  } else if (format == "table") {
    Words options(arguments.begin() + 1, arguments.end());
    if (options.empty()) options = {"-ef"};
    print(lines_of(host_ps(std::move(options)), pids));
  } else {
    throw std::runtime_error("invalid format option");
  }
  return 0;
}

}  // namespace berth::runtime
