#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "bench/measurements.h"
#include "bench/process.h"
#include "support/programs.h"
#include "support/sandbox.h"
#include "support/seccomp.h"

namespace berth::bench {

using base::Json;

namespace {

struct Runtime {
  std::string who;
  std::string path;
  std::string root;

  Program command(std::vector<std::string> words) const {
    words.insert(words.begin(), {path, "--root", root});
    return {std::move(words), {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}};
  }
};

std::vector<Runtime> make_runtimes(const Options& options) {
  std::vector<Runtime> runtimes{{"berth", test::built("berth"), "/run/bench/state-berth"}};
  if (!options.crun.empty()) runtimes.push_back({"crun", options.crun, "/run/bench/state-crun"});
  if (!options.runc.empty()) runtimes.push_back({"runc", options.runc, "/run/bench/state-runc"});
  return runtimes;
}

void wait_for_end(pid_t pid) {
  const base::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd) {
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) < 0 && errno == EINTR) {
    }
  }
}

/// Detached containers are ours to reap.
void become_reaper() {
  base::check(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "become a subreaper");
}

/// crun 1.8 takes no hybrid cgroup mount: it is hidden from everybody, in this mount namespace.
void hide_unified_cgroups() {
  while (::umount2("/sys/fs/cgroup/unified", MNT_DETACH) == 0) {
  }
}

Json spec(std::vector<std::string> args) {
  return Json::parse(test::busybox_spec(args));
}

Json with_profile(Json config) {
  const auto profile = test::podman_profile();
  if (!profile.is_null()) config["linux"]["seccomp"] = profile;
  return config;
}

Json with_mounts(Json config, int count) {
  base::make_directories("/run/bench/shared", 0755);
  for (int i = 0; i < count; ++i) {
    config["mounts"].push_back({{"destination", "/tmp/m" + std::to_string(i)},
                                {"type", "bind"},
                                {"source", "/run/bench/shared"},
                                {"options", Json::array({"rbind", "ro", "nosuid"})}});
  }
  return config;
}

Json without_network_namespace(Json config) {
  Json namespaces = Json::array();
  for (const auto& entry : config["linux"]["namespaces"]) {
    if (entry["type"] != "network") namespaces.push_back(entry);
  }
  config["linux"]["namespaces"] = namespaces;
  return config;
}

std::string bundle(const std::string& name, const Json& config) {
  return test::make_bundle("/run/bench/bundles/" + name, config.dump());
}

void add_cost(const std::string& what, const std::string& operation, const std::string& who, const Cost& cost,
              Results& results) {
  results.add(what, operation, who, "ms", cost.wall_ms);
  results.add(what, operation + ": CPU", who, "ms", cost.cpu_ms);
  results.add(what, operation + ": page faults", who, "", static_cast<double>(cost.page_faults));
  results.add(what, operation + ": context switches", who, "", static_cast<double>(cost.context_switches));
}

/// `run` of /bin/true in the foreground.
void measure_run(const std::vector<Runtime>& runtimes, const std::string& what, const std::string& directory,
                 bool network, int rounds, Results& results) {
  for (int round = -1; round < rounds; ++round) {
    for (const auto& runtime : runtimes) {
      const auto program = runtime.command({"run", "--bundle", directory, "run" + std::to_string(round + 1)});
      const auto cost = run_measured(program);
      if (round >= 0) add_cost(what, "run", runtime.who, cost, results);
    }
    const auto cost =
        run_measured(floor_command({network ? "run" : "run-host-network", directory + "/rootfs", "/bin/true"}));
    if (round >= 0) add_cost(what, "run", "floor", cost, results);
  }
  for (const auto& runtime : runtimes) {
    const auto peak = peak_memory(runtime.command({"run", "--bundle", directory, "peak"}));
    results.add(what, "run: peak memory", runtime.who, "KiB", static_cast<double>(peak));
  }
  if (test::system_program("strace").empty()) return;
  for (const auto& runtime : runtimes) {
    const auto calls = count_system_calls(runtime.command({"run", "--bundle", directory, "traced"}));
    results.add(what, "run: system calls", runtime.who, "", static_cast<double>(calls));
  }
}

/// One container's life, with every command timed.
void measure_life(const Runtime& runtime, const std::string& what, const std::string& directory, const std::string& id,
                  Results* results) {
  const auto step = [&](const std::string& operation, std::vector<std::string> words) {
    const auto cost = run_measured(runtime.command(std::move(words)));
    if (results != nullptr) results->add(what, operation, runtime.who, "ms", cost.wall_ms);
  };
  const std::string pid_file = "/run/bench/pid";
  step("create", {"create", "--bundle", directory, "--pid-file", pid_file, id});
  const pid_t pid = std::stoi(base::read_file(pid_file));
  step("start", {"start", id});
  step("state", {"state", id});
  step("exec", {"exec", id, "/bin/true"});
  step("pause", {"pause", id});
  step("resume", {"resume", id});
  step("list", {"list"});
  step("kill", {"kill", id, "KILL"});
  wait_for_end(pid);
  step("delete", {"delete", id});
}

/// `state` and `list` beside many other containers.
void measure_many(const Runtime& runtime, const std::string& directory, unsigned count, int rounds, Results& results) {
  const std::string what = "beside " + std::to_string(count) + " containers";
  std::vector<pid_t> pids;
  const std::string pid_file = "/run/bench/pid";
  for (unsigned i = 0; i < count; ++i) {
    const std::string id = "many" + std::to_string(i);
    run_measured(runtime.command({"run", "--detach", "--bundle", directory, "--pid-file", pid_file, id}));
    pids.push_back(std::stoi(base::read_file(pid_file)));
  }
  for (int round = 0; round < rounds; ++round) {
    results.add(what, "list", runtime.who, "ms", run_measured(runtime.command({"list"})).wall_ms);
    results.add(what, "state", runtime.who, "ms", run_measured(runtime.command({"state", "many0"})).wall_ms);
  }
  for (const pid_t pid : pids) ::kill(pid, SIGKILL);
  for (const pid_t pid : pids) wait_for_end(pid);
  for (unsigned i = 0; i < count; ++i) {
    run_measured(runtime.command({"delete", "--force", "many" + std::to_string(i)}));
  }
}

}  // namespace

void measure_runtime(const Options& options, Results& results) {
  hide_unified_cgroups();
  become_reaper();
  const auto runtimes = make_runtimes(options);
  const Json once = spec({"/bin/true"});
  const Json sleeps = spec({"/bin/sleep", "1000"});
  const int rounds = options.rounds;
  measure_run(runtimes, "default specification", bundle("plain", once), true, rounds, results);
  measure_run(runtimes, "Podman's seccomp profile", bundle("profile", with_profile(once)), true, rounds, results);
  measure_run(runtimes, "20 bind mounts", bundle("mounts", with_mounts(once, 20)), true, rounds, results);
  measure_run(runtimes, "no network namespace", bundle("host", without_network_namespace(once)), false, rounds,
              results);
  const std::pair<std::string, std::string> lives[] = {
      {"default specification", bundle("life", sleeps)},
      {"Podman's seccomp profile", bundle("life-profile", with_profile(sleeps))}};
  for (const auto& [what, directory] : lives) {
    for (int round = -1; round < rounds; ++round) {
      for (const auto& runtime : runtimes) {
        measure_life(runtime, what, directory, "life" + std::to_string(round + 1), round < 0 ? nullptr : &results);
      }
    }
  }
  for (const auto& runtime : runtimes) {
    measure_many(runtime, bundle("many", sleeps), options.quick ? 50 : 1000, rounds, results);
  }
}

}  // namespace berth::bench
