#include <unistd.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "cni/client/places.h"
#include "commands/command.h"
#include "commands/command_line.h"
#include "network/inventory.h"
#include "network/upkeep.h"

namespace berth::runtime {

namespace {

/// What all of `network`'s commands have in common.
struct NetworkCommand {
  const Globals& globals;
  std::string format = "table";
  std::string net_dir{};
  std::string cni_path{};
  std::string cache_directory{};

  void define(CommandLine& line) {
    line.value("format,f", format, "table (default) or json");
    line.value("net-dir", net_dir, "directory of network configurations (default: /etc/cni/net.d)");
    line.value("cni-path", cni_path, "directories of CNI plugins, ':' between them (default: /opt/cni/bin)");
    line.value("cache-dir", cache_directory, "directory of cached results (default: /var/lib/cni)");
  }

  NetworkPlaces places() const {
    if (format != "table" && format != "json") throw std::runtime_error("invalid format option");
    NetworkPlaces places(globals.store());
    places.net_dir = net_dir.empty() ? cni::net_dir() : net_dir;
    places.plugin_directories = cni_path.empty() ? cni::plugin_directories() : base::split(cni_path, ':');
    if (!cache_directory.empty()) places.cache_directory = cache_directory;
    return places;
  }

  std::vector<Network> load(const std::vector<std::string>& names) const {
    std::vector<std::string> problems;
    auto networks = load_inventory(places(), names, problems);
    for (const auto& problem : problems) base::write_all(STDERR_FILENO, problem + "\n", "stderr");
    return networks;
  }

  void show(const base::Json& json, const std::string& text) const {
    print(format == "json" ? json.dump(-1, ' ', false, base::Json::error_handler_t::replace) + "\n" : text);
  }

  /// The exit status: 1 if something is not well.
  int show(const std::vector<UpkeepReport>& reports) const {
    show(upkeep_json(reports), upkeep_table(reports));
    return std::all_of(reports.begin(), reports.end(), [](const auto& report) { return report.is_well(); }) ? 0 : 1;
  }
};

constexpr size_t kAnyNumber = std::numeric_limits<size_t>::max();

int ls(const Globals& globals, const Words& words) {
  NetworkCommand command{globals};
  CommandLine line({"berth network ls", "list the networks and how many are attached to each", ""});
  command.define(line);
  line.parse(words, 0, 0);
  const auto networks = command.load({});
  command.show(network_json(networks), network_table(networks));
  return 0;
}

int inspect(const Globals& globals, const Words& words) {
  NetworkCommand command{globals};
  CommandLine line(
      {"berth network inspect", "show bridges, attachments, addresses and published ports as a tree", "[network...]"});
  command.define(line);
  const auto networks = command.load(line.parse(words, 0, kAnyNumber));
  command.show(network_json(networks), network_tree(networks));
  return 0;
}

int check(const Globals& globals, const Words& words) {
  NetworkCommand command{globals};
  bool repair = false;
  CommandLine line({"berth network check", "check that attachments are as they were made", "[network...]",
                    "Its exit status is 1 if one is not, or has lost its namespace."});
  command.define(line);
  line.flag("repair", repair, "make damaged attachments anew, remove those without a namespace");
  const auto networks = command.load(line.parse(words, 0, kAnyNumber));
  return command.show(check_networks(command.places(), networks, repair));
}

int gc(const Globals& globals, const Words& words) {
  NetworkCommand command{globals};
  CommandLine line(
      {"berth network gc", "remove what is left of containers that do not exist any more", "[network...]"});
  command.define(line);
  const auto networks = command.load(line.parse(words, 0, kAnyNumber));
  return command.show(collect_networks(command.places(), networks));
}

}  // namespace

int network_command(const Globals& globals, const Words& words) {
  CommandLine line({"berth network", "look at networks, check and repair them, collect garbage",
                    "ls|inspect|check|gc [arguments...]"});
  line.stop_at_first_argument();
  const auto rest = line.parse(words, 1, kAnyNumber);
  const Words arguments(rest.begin() + 1, rest.end());
  if (rest[0] == "ls" || rest[0] == "list") return ls(globals, arguments);
  if (rest[0] == "inspect") return inspect(globals, arguments);
  if (rest[0] == "check") return check(globals, arguments);
  if (rest[0] == "gc") return gc(globals, arguments);
  throw UsageError("berth network: unknown command \"" + rest[0] + "\", expected ls, inspect, check or gc",
                   line.help());
}

}  // namespace berth::runtime
