#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>

#include "bench/measurements.h"
#include "bench/profiler.h"
#include "bench/suite.h"
#include "support/programs.h"
#include "support/sandbox.h"
#include "support/seccomp.h"

namespace berth::bench {

using base::Json;

namespace {

constexpr const char* kDirectory = "/run/bench";

/// One side of a comparison: what is looked at, and what undoes it.
struct Side {
  std::string who;
  std::function<Cost()> work;
  std::function<void()> undo = [] {};
};

void measure(const std::string& subject, const std::vector<Side>& sides, int rounds, Results& results) {
  for (const auto& side : sides) {
    for (int warm = 0; warm < 2; ++warm) side.work(), side.undo();
    Profiler profiler(kDirectory);
    for (int round = 0; round < rounds; ++round) {
      Cost cost;
      profiler.during([&] { cost = side.work(); });
      results.add(subject, "from start to end", side.who, "ms", cost.wall_ms);
      side.undo();
      // What the kernel does later is not part of the next round.
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    for (const auto& [part, milliseconds] : profiler.finish()) {
      results.add(subject, part, side.who, "ms", milliseconds / rounds);
    }
  }
}

void measure_add(int rounds, Results& results) {
  const Chain chain{"one-port", true, 1};
  Suite suite("berth, nftables", "bn", test::built_directory(), Tables::kNftables);
  suite.configure(chain, 0);
  const test::NamedNetNs box("box");
  const auto command = [&](const char* name) { return suite.run(suite.command(name, chain, box.path())); };
  const Floor floor;
  measure("ADD",
          {{"berth", [&] { return command("add"); }, [&] { command("del"); }},
           {"floor", [&] { return floor.run("add"); }, [&] { floor.run("del"); }}},
          rounds, results);
}

void measure_run(int rounds, Results& results) {
  const auto config = Json::parse(test::busybox_spec({"/bin/true"}));
  const auto bundle = test::make_bundle(std::string(kDirectory) + "/plain", config.dump());
  const Program run{
      {test::built("berth"), "--root", std::string(kDirectory) + "/state", "run", "--bundle", bundle, "c"},
      {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}};
  measure("run",
          {{"berth", [&] { return run_measured(run); }},
           {"floor",
            [&] {
              return run_measured(floor_command({"run", bundle + "/rootfs", "/bin/true"}));
            }}},
          rounds, results);
}

}  // namespace

void measure_profile(const Options& options, Results& results) {
  if (!Profiler::is_there()) return std::puts("profile: perf is not installed (package linux-perf)"), void();
  measure_add(options.rounds, results);
  measure_run(options.rounds, results);
}

}  // namespace berth::bench
