// Measures berth beside its peers and beside the floor (bench/floor), interleaved, in one run, in network and mount
// namespaces of its own; prints the figures and writes them to bench/results. Run by scripts/bench.

#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "bench/measurements.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::bench {
namespace {

struct Group {
  const char* name;
  void (*measure)(const Options&, Results&);
};

constexpr Group kGroups[] = {{"plugins", measure_plugins},
                             {"growth", measure_growth},
                             {"throughput", measure_throughput},
                             {"runtime", measure_runtime},
                             {"first-answer", measure_first_answer},
                             {"size", measure_size},
                             {"profile", measure_profile}};

std::string first_line(const std::vector<std::string>& argv) {
  const auto result = test::run(argv);
  return result.output.substr(0, result.output.find('\n'));
}

std::string package_version(const std::string& package) {
  const auto result = test::run({"dpkg-query", "-W", "-f", "${Version}", package});
  return result.ok() ? result.output : "";
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

base::Json about(const Options& options) {
  utsname system{};
  ::uname(&system);
  base::Json json = {{"kernel", system.release},
                     {"processor", processor()},
                     {"processors", ::sysconf(_SC_NPROCESSORS_ONLN)},
                     {"rounds", options.rounds},
                     {"quick", options.quick}};
  if (options.reference_plugins == test::reference_plugins()) {
    json["reference"] = "containernetworking-plugins " + package_version("containernetworking-plugins");
  } else {
    json["reference"] = options.reference_plugins;
  }
  if (!options.runc.empty()) json["runc"] = first_line({options.runc, "--version"});
  if (!options.crun.empty()) json["crun"] = first_line({options.crun, "--version"});
  if (!options.podman.empty()) json["podman"] = first_line({options.podman, "--version"});
  return json;
}

/// Each group in a process of its own: in hosts of its own, which end with it.
bool measure_apart(const Group& group, const Options& options) {
  // Hundreds of cgroups of the groups before are removed and not yet gone while pages of theirs are cached, and make
  // the kernel slow.
  base::write_existing("/proc/sys/vm/drop_caches", "3");
  const pid_t pid = base::check(::fork(), "fork");
  if (pid == 0) {
    try {
      Results results(group.name);
      const auto json = about(options);
      test::enter_own_host();
      group.measure(options, results);
      results.print();
      results.save(options.results, json);
      std::fflush(stdout);
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "bench: %s: %s\n", group.name, error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0;
}

int run(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  const auto chosen = [&](const char* name) {
    return options.groups.empty() ||
           std::find(options.groups.begin(), options.groups.end(), name) != options.groups.end();
  };
  for (const auto& name : options.groups) {
    if (std::none_of(std::begin(kGroups), std::end(kGroups), [&](const Group& group) { return name == group.name; })) {
      throw std::invalid_argument("no group of measurements is called " + name);
    }
  }
  bool ok = true;
  for (const auto& group : kGroups) {
    if (chosen(group.name)) ok = measure_apart(group, options) && ok;
  }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace berth::bench

int main(int argc, char** argv) {
  try {
    return berth::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 2;
  }
}
