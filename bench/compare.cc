// Measures us and the peers side by side, interleaved (A B A B …), in one run, in a network namespace of its own, and
// prints medians and their ratio.
//
//   compare [ROUNDS] [--reference-plugins DIR] [--runc PATH]

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "bench/series.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"
#include "support/seccomp.h"

namespace berth::test {
namespace {

/// ADD and DEL of bridge + host-local + portmap with ipMasq, both suites driven by the same cnitool. (CHECK cannot be
/// compared: that of Debian's portmap fails without IPv6 rules.)
void compare_networking(int rounds, const std::string& reference, const std::string& scratch) {
  const std::string path = path_with_legacy_iptables(scratch + "/iptables");
  CniHost hosts[2];
  for (int i = 0; i < 2; ++i) {
    const std::string name = i == 0 ? "ours" : "peer";
    base::make_directories(scratch + "/" + name, 0755);
    base::write_file_atomic(scratch + "/" + name + "/net.conflist",
                            web_conflist(name, name + "0", i == 0 ? "10.30.0.0/16" : "10.31.0.0/16", "/run/leases"),
                            0644);
    hosts[i] = {i == 0 ? built_directory() : reference, scratch + "/" + name, "/run/cache", path};
  }
  NamedNetNs box("box");
  Series add[2], del[2];
  for (int round = -1; round < rounds; ++round) {
    for (int i = 0; i < 2; ++i) {
      const std::string name = i == 0 ? "ours" : "peer";
      const std::map<std::string, std::string> env{{"CAP_ARGS", published({{i == 0 ? 9090 : 9091, 80}})}};
      const double added = timed(hosts[i].cnitool("add", name, box.path(), env), name + " ADD");
      const double deleted = timed(hosts[i].cnitool("del", name, box.path(), env), name + " DEL");
      if (round < 0) continue;  // The first round makes bridges and shared chains.
      add[i].milliseconds.push_back(added);
      del[i].milliseconds.push_back(deleted);
    }
  }
  print_header(reference.c_str());
  print_row("ADD bridge + host-local + ipMasq + portmap", add[0], add[1]);
  print_row("DEL of the same", del[0], del[1]);
}

/// `run` of a bundle.
void compare_run(const char* what, int rounds, const std::string& runc, const std::string& bundle) {
  const std::string programs[2] = {built("berth"), runc};
  Series series[2];
  for (int round = -1; round < rounds; ++round) {
    for (int i = 0; i < 2; ++i) {
      const std::string id =
          "bench-" + std::to_string(::getpid()) + "-" + std::to_string(round + 1) + (i == 0 ? "a" : "b");
      const auto result = run({programs[i], "--root", "/run/bench" + std::to_string(i), "run", "--bundle", bundle, id});
      const double duration = timed(result, programs[i] + " run");
      if (round >= 0) series[i].milliseconds.push_back(duration);
    }
  }
  print_row(what, series[0], series[1]);
}

void compare_runtime(int rounds, const std::string& runc, const std::string& scratch) {
  print_header(runc.c_str());
  auto spec = base::Json::parse(busybox_spec({"/bin/true"}));
  compare_run("run /bin/true, default specification", rounds, runc, make_bundle(scratch + "/bundle", spec.dump()));
  spec["linux"]["seccomp"] = podman_profile();
  if (spec["linux"]["seccomp"].is_null()) return;
  compare_run("the same under Podman's seccomp profile", rounds, runc, make_bundle(scratch + "/filtered", spec.dump()));
}

int compare(int argc, char** argv) {
  int rounds = 40;
  std::string reference = reference_plugins();
  std::string runc = system_program("runc");
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--reference-plugins") == 0 && i + 1 < argc) {
      reference = argv[++i];
    } else if (std::strcmp(argv[i], "--runc") == 0 && i + 1 < argc) {
      runc = argv[++i];
    } else {
      rounds = std::stoi(argv[i]);
    }
  }
  if (reference.empty()) throw std::runtime_error("containernetworking-plugins is not installed");
  if (runc.empty()) throw std::runtime_error("runc is not installed");
  enter_own_host();
  const std::string scratch = "/run/bench";
  base::make_directories(scratch, 0755);
  compare_networking(rounds, reference, scratch);
  compare_runtime(rounds, runc, scratch);
  return 0;
}

}  // namespace
}  // namespace berth::test

int main(int argc, char** argv) {
  try {
    return berth::test::compare(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "compare: %s\n", error.what());
    return 1;
  }
}
