// containerd's shim drives the runtime: `ctr`, without a network. Its CRI plugin is in cri_test.cc.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "engines/engine.h"
#include "support/limits.h"

namespace berth::test {
namespace {

constexpr const char* kSocket = "/run/engine/containerd.sock";

class ContainerdTest : public EngineTest {
 protected:
  static void SetUpTestSuite() {
    if (!prepare({"containerd", "ctr", "containerd-shim-runc-v2"})) return;
    const std::string config = host().write("config.toml",
                                            "version = 2\n"
                                            "root = \"" +
                                                host().scratch() +
                                                "/containerd\"\n"
                                                "state = \"/run/engine/state\"\n"
                                                "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"
                                                "[grpc]\naddress = \"" +
                                                kSocket +
                                                "\"\n"
                                                "[plugins.\"io.containerd.internal.v1.opt\"]\n"
                                                "path = \"" +
                                                host().scratch() + "/opt\"\n");
    daemon_ = std::make_unique<Daemon>(std::vector<std::string>{"containerd", "--config", config},
                                       host().scratch() + "/containerd.log", [] { return ctr({"version"}).ok(); });
    must_run(command({"image", "import", "--snapshotter", "native", image().archive}));
  }
  static void TearDownTestSuite() {
    daemon_.reset();
    EngineTest::TearDownTestSuite();
  }

  /// Containers are of a namespace whose name is that of our cgroup: there containerd puts theirs.
  static std::vector<std::string> command(const std::vector<std::string>& words) {
    std::vector<std::string> argv{"ctr", "--address", kSocket, "--namespace", host().cgroup_parent().substr(1)};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
  }
  static base::CommandResult ctr(const std::vector<std::string>& words) { return run(command(words)); }

  /// `ctr run FLAGS busybox ID ARGS`
  static base::CommandResult run_container(const Runtime& runtime, const std::vector<std::string>& flags,
                                           const std::string& id, const std::vector<std::string>& args) {
    std::vector<std::string> words{"run", "--snapshotter", "native", "--runc-binary", runtime.path};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {image().reference, id});
    words.insert(words.end(), args.begin(), args.end());
    return ctr(words);
  }
  static base::CommandResult sh(const std::string& id, const std::string& script) {
    return ctr({"task", "exec", "--exec-id", "sh", id, "/bin/sh", "-c", script});
  }

  /// A column of `ctr task ls` (1 is the process id, 2 the status); "" if there is no such task.
  static std::string task(const std::string& id, int column) {
    std::istringstream lines(ctr({"task", "ls"}).output);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
      if (words.size() == 3 && words[0] == id) return words[static_cast<size_t>(column)];
    }
    return "";
  }
  static std::string status(const std::string& id) { return task(id, 2); }
  static pid_t pid(const std::string& id) { return std::stoi(task(id, 1)); }
  static std::string stopped(const std::string& id) {
    eventually([&] { return status(id) == "STOPPED"; });
    return status(id);
  }
  /// Deletes a stopped task: its exit status, which ctr warns of.
  static std::string deleted(const std::string& id) {
    const auto result = ctr({"task", "delete", id});
    std::smatch match;
    if (std::regex_search(result.error, match, std::regex("non-zero exit code ([0-9]+)"))) return match[1];
    return result.status_text();
  }
  static void remove(const std::string& id) { ctr({"containers", "delete", id}); }

  /// What ctr says of a failure, without its own words.
  static std::string reason(const base::CommandResult& result) {
    std::smatch match;
    const std::string text = result.error;
    return std::regex_search(text, match, std::regex("exec: .*")) ? match[0].str() : "no reason: " + text;
  }

  static std::unique_ptr<Daemon> daemon_;
};

std::unique_ptr<Daemon> ContainerdTest::daemon_;

TEST_F(ContainerdTest, RunPassesOutputExitStatusAndSettingsOn) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    transcript.command("run", run_container(runtime, {"--rm"}, "run-" + runtime.name,
                                            {"/bin/sh", "-c", "echo $GREETING; echo err >&2; exit 3"}));
    transcript.command(
        "run with settings",
        run_container(runtime,
                      {"--rm", "--read-only", "--env", "COLOUR=blue", "--cwd", "/www", "--mount",
                       "type=bind,src=/usr/share/doc,dst=/mnt,options=rbind:ro", "--rootfs-propagation", "slave"},
                      "settings-" + runtime.name,
                      {"/bin/sh", "-c",
                       "pwd; echo $COLOUR; touch /file 2>/dev/null || echo read-only; grep -c ' /mnt ' /proc/mounts; "
                       "touch /mnt/file 2>/dev/null || echo bound read-only; echo $$; hostname"}));
    transcript.command("run with seccomp and no new privileges",
                       run_container(runtime, {"--rm", "--seccomp"}, "seccomp-" + runtime.name,
                                     {"/bin/sh", "-c", "grep -E 'Seccomp:|NoNewPrivs' /proc/self/status"}));
  };
  std::string name = must_run({"hostname"});
  expect_same(scenario,
              "run: exit status 3\nhello\n"
              "run with settings: exit status 0\n/www\nblue\nread-only\n1\nbound read-only\n1\n" +
                  name + "run with seccomp and no new privileges: exit status 0\nNoNewPrivs:\t1\nSeccomp:\t2\n");
}

TEST_F(ContainerdTest, ATaskIsRunExecutedInPausedKilledAndDeleted) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string id = "life-" + runtime.name;
    transcript.command("run", run_container(runtime, {"--detach"}, id,
                                            {"/bin/sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done"}));
    transcript.fact("status", status(id));
    transcript.command("exec", sh(id, "echo in the container; cat /proc/1/cmdline | tr '\\0' ' ' | cut -c -7; exit 4"));
    transcript.command("pause", ctr({"task", "pause", id}));
    transcript.fact("status", status(id));
    transcript.command("resume", ctr({"task", "resume", id}));
    transcript.fact("status", status(id));
    transcript.command("kill", ctr({"task", "kill", "--signal", "TERM", id}));
    transcript.fact("status", stopped(id));
    transcript.command("exec when stopped", sh(id, "true"));
    transcript.fact("delete", deleted(id));
    transcript.fact("status", status(id));
    remove(id);
  };
  expect_same(scenario,
              "run: exit status 0\nstatus: RUNNING\n"
              "exec: exit status 4\nin the container\n/bin/sh\n"
              "pause: exit status 0\nstatus: PAUSED\n"
              "resume: exit status 0\nstatus: RUNNING\n"
              "kill: exit status 0\nstatus: STOPPED\n"
              "exec when stopped: exit status 1\n"
              "delete: 5\nstatus: \n");
}

TEST_F(ContainerdTest, EveryProcessIsKilled) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string id = "killed-" + runtime.name;
    transcript.command("run",
                       run_container(runtime, {"--detach"}, id, {"/bin/sh", "-c", "sleep 1000 & sleep 1000; true"}));
    transcript.fact("processes", eventually([&] {
                      std::istringstream lines(ctr({"task", "ps", id}).output);
                      return std::count(std::istreambuf_iterator<char>(lines), {}, '\n') == 4;
                    })
                                     ? "3"
                                     : ctr({"task", "ps", id}).output);
    const std::string procs = "/proc/" + std::to_string(pid(id));
    transcript.command("kill", ctr({"task", "kill", "--all", "--signal", "KILL", id}));
    transcript.fact("status", stopped(id));
    transcript.fact("delete", deleted(id));
    transcript.fact("gone", eventually([&] { return !std::filesystem::exists(procs); }) ? "yes" : "no");
    transcript.fact("cgroups", std::to_string(cgroups_of(id).size()));
    remove(id);
  };
  expect_same(scenario,
              "run: exit status 0\nprocesses: 3\nkill: exit status 0\nstatus: STOPPED\ndelete: 137\ngone: yes\n"
              "cgroups: 0\n");
}

TEST_F(ContainerdTest, WhatCannotBeExecutedIsNamed) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    for (const char* program : {"/nope", "nope", "/etc/passwd"}) {
      const auto& result =
          transcript.command(program, run_container(runtime, {"--rm"}, "bad-" + runtime.name, {program}));
      transcript.fact("reason", reason(result));
    }
    const std::string id = "bad-exec-" + runtime.name;
    run_container(runtime, {"--detach"}, id, {"/bin/sleep", "1000"});
    const auto& result = transcript.command("exec", ctr({"task", "exec", "--exec-id", "bad", id, "/nope"}));
    transcript.fact("reason", reason(result));
    transcript.fact("status", status(id));
    ctr({"task", "delete", "--force", id});
    remove(id);
  };
  const std::string missing = R"(exec: "/nope": stat /nope: no such file or directory: unknown)";
  expect_same(scenario, "/nope: exit status 1\nreason: " + missing +
                            "\n"
                            "nope: exit status 1\nreason: exec: \"nope\": executable file not found in $PATH: unknown\n"
                            "/etc/passwd: exit status 1\nreason: exec: \"/etc/passwd\": permission denied: unknown\n"
                            "exec: exit status 1\nreason: " +
                            missing + "\nstatus: RUNNING\n");
}

TEST_F(ContainerdTest, LimitsReachTheKernel) {
  if (on_cgroup_v2()) GTEST_SKIP() << "the names of the files are those of cgroup v1";
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string id = "limits-" + runtime.name;
    transcript.command("run", run_container(runtime, {"--detach", "--memory-limit", "33554432", "--cpus", "0.5"}, id,
                                            {"/bin/sleep", "1000"}));
    transcript.fact("memory", limit_of(pid(id), "memory", "memory.limit_in_bytes"));
    transcript.fact("quota", limit_of(pid(id), "cpu", "cpu.cfs_quota_us"));
    ctr({"task", "delete", "--force", id});
    remove(id);
  };
  expect_same(scenario, "run: exit status 0\nmemory: 33554432\nquota: 50000\n");
}

TEST_F(ContainerdTest, MetricsAreOfTheContainer) {
  if (on_cgroup_v2()) GTEST_SKIP() << "the names of the metrics are those of cgroup v1";
  if (!shim_is_blind().empty()) GTEST_SKIP() << shim_is_blind();
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string id = "metrics-" + runtime.name;
    transcript.command("run",
                       run_container(runtime, {"--detach", "--memory-limit", "33554432"}, id, {"/bin/sleep", "1000"}));
    std::istringstream metrics(ctr({"task", "metrics", id}).output);
    for (std::string line; std::getline(metrics, line);) {
      if (line.starts_with("memory.limit") || line.starts_with("pids.current")) {
        transcript.fact("metric", std::regex_replace(line, std::regex(" +"), " "));
      }
    }
    ctr({"task", "delete", "--force", id});
    remove(id);
  };
  expect_same(scenario, "run: exit status 0\nmetric: memory.limit_in_bytes 33554432 \nmetric: pids.current 1 \n");
}

TEST_F(ContainerdTest, ATaskWhoseShimWasKilledIsCleanedUp) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string id = "orphan-" + runtime.name;
    run_container(runtime, {"--detach"}, id, {"/bin/sleep", "1000"});
    const std::string process = "/proc/" + std::to_string(pid(id));
    std::ifstream stat(process + "/stat");
    std::string word;
    pid_t shim = 0;
    stat >> word >> word >> word >> shim;
    ::kill(shim, SIGKILL);
    transcript.fact("task gone", eventually([&] { return status(id).empty(); }) ? "yes" : "no");
    transcript.fact("process gone", eventually([&] { return !std::filesystem::exists(process); }) ? "yes" : "no");
    transcript.fact("cgroups", std::to_string(cgroups_of(id).size()));
    remove(id);
    transcript.command("run again", run_container(runtime, {"--rm"}, id, {"/bin/echo", "as new"}));
  };
  expect_same(scenario, "task gone: yes\nprocess gone: yes\ncgroups: 0\nrun again: exit status 0\nas new\n");
}

}  // namespace
}  // namespace berth::test
