#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/error.h"
#include "bench/measurements.h"
#include "bench/process.h"
#include "support/programs.h"

namespace berth::bench {

namespace {

const std::vector<std::string>& plugins() {
  static const std::vector<std::string> kPlugins{
      "bandwidth", "bridge",  "dhcp", "dummy", "firewall", "host-device", "host-local", "ipvlan", "loopback",
      "macvlan",   "portmap", "ptp",  "sbr",   "static",   "tap",         "tuning",     "vlan",   "vrf"};
  return kPlugins;
}

struct Side {
  std::string who, plugins;
  std::vector<std::string> others;  ///< Paths of what is installed besides.
};

std::vector<Side> sides_of(const Options& options) {
  std::vector<std::string> others;
  for (const char* name : {"berth", "cnitool", "cni-hook", "pause"}) others.push_back(test::built(name));
  std::vector<Side> sides{{"berth", test::built_directory(), others}};
  if (!options.reference_plugins.empty()) sides.push_back({"reference", options.reference_plugins, {options.runc}});
  return sides;
}

bool exists(const std::string& path) {
  return !path.empty() && ::access(path.c_str(), X_OK) == 0;
}

/// In KiB; a file with several names counts once.
double size_of(const std::vector<std::string>& paths) {
  std::set<ino_t> seen;
  double bytes = 0;
  for (const auto& path : paths) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && seen.insert(status.st_ino).second) {
      bytes += static_cast<double>(status.st_size);
    }
  }
  return bytes / 1024;
}

double start_to_exit(const Program& program) {
  return run_measured(program, R"({"cniVersion": "1.0.0"})").wall_ms;
}

}  // namespace

void measure_size(const Options& options, Results& results) {
  const auto sides = sides_of(options);
  for (const auto& side : sides) {
    std::vector<std::string> files;
    for (const auto& plugin : plugins()) files.push_back(side.plugins + "/" + plugin);
    results.add("all plugins", "size", side.who, "KiB", size_of(files));
    files.insert(files.end(), side.others.begin(), side.others.end());
    results.add("plugins and runtime", "size", side.who, "KiB", size_of(files));
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& side : sides) {
      for (const auto& plugin : plugins()) {
        const std::string path = side.plugins + "/" + plugin;
        if (!exists(path)) continue;
        results.add(plugin, "start to exit", side.who, "ms", start_to_exit({{path}, {"CNI_COMMAND=VERSION"}}));
      }
    }
    const std::pair<const char*, std::string> runtimes[] = {
        {"berth", test::built("berth")}, {"runc", options.runc}, {"crun", options.crun}};
    for (const auto& [who, path] : runtimes) {
      if (exists(path))
        results.add("the runtime's --version", "start to exit", who, "ms", start_to_exit({{path, "--version"}, {}}));
    }
  }
}

}  // namespace berth::bench
