// dockerd drives the runtime through containerd's shim, with its own networks.
#include <regex>

#include "base/file.h"
#include "base/json.h"
#include "engines/engine.h"
#include "support/limits.h"

namespace berth::test {
namespace {

using base::Json;

constexpr const char* kSocket = "unix:///run/engine/docker.sock";
const std::string kUntilTerm = "trap 'echo bye; exit 5' TERM; echo started; while :; do sleep 0.1; done";

class DockerTest : public EngineTest {
 protected:
  static void SetUpTestSuite() {
    if (!prepare({"dockerd", "containerd", "docker", "iptables"}, {"/etc/docker", "/opt/containerd"})) return;
    // What we ship, with berth as the default, and what this host needs.
    Json config = Json::parse(shipped_configuration("docker/daemon.json"));
    config["hosts"] = {kSocket};
    config["data-root"] = host().scratch() + "/docker";
    config["exec-root"] = "/run/engine/docker";
    config["pidfile"] = "/run/engine/docker.pid";
    config["storage-driver"] = "vfs";
    config["cgroup-parent"] = host().cgroup_parent();
    config["exec-opts"] = {"native.cgroupdriver=cgroupfs"};
    base::make_directories("/run/engine", 0755);
    daemon_ = std::make_unique<Daemon>(
        std::vector<std::string>{"dockerd", "--config-file", host().write("daemon.json", config.dump())},
        host().scratch() + "/dockerd.log", [] { return run(command({"version"})).ok(); });
    must_run(command({"load", "--quiet", "--input", image().archive}));
  }
  static void TearDownTestSuite() {
    daemon_.reset();
    EngineTest::TearDownTestSuite();
  }

  static std::vector<std::string> command(const std::vector<std::string>& words) {
    std::vector<std::string> argv{system_program("docker"), "--host", kSocket};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
  }
  static base::CommandResult docker(const std::vector<std::string>& words) { return run(command(words)); }
  /// `docker run FLAGS busybox ARGS`
  static std::vector<std::string> run_command(const Runtime& runtime, const std::vector<std::string>& flags,
                                              const std::vector<std::string>& args) {
    std::vector<std::string> words{"run", "--runtime", runtime.name};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(image().reference);
    words.insert(words.end(), args.begin(), args.end());
    return command(words);
  }
  static base::CommandResult run_container(const Runtime& runtime, const std::vector<std::string>& flags,
                                           const std::vector<std::string>& args) {
    return run(run_command(runtime, flags, args));
  }
  static void start(const Runtime& runtime, Transcript& transcript, std::vector<std::string> flags,
                    const std::vector<std::string>& args) {
    flags.push_back("--detach");
    transcript.status("start", run_container(runtime, flags, args));
  }
  static std::string inspect(const std::string& name, const std::string& format) {
    auto result = docker({"inspect", "--format", format, name});
    if (!result.ok()) return result.error;
    result.output.pop_back();
    return result.output;
  }
  static void remove(const std::string& name) { docker({"rm", "--force", name}); }

  static std::unique_ptr<Daemon> daemon_;
};

std::unique_ptr<Daemon> DockerTest::daemon_;

TEST_F(DockerTest, TheShippedConfigurationMakesItTheDefault) {
  EXPECT_EQ(must_run(command({"info", "--format", "{{.DefaultRuntime}} {{(index .Runtimes \"berth\").Path}}"})),
            "berth " + berth().path + "\n");
  EXPECT_EQ(must_run(command({"run", "--name", "default", image().reference, "echo", "it runs"})), "it runs\n");
  EXPECT_EQ(inspect("default", "{{.HostConfig.Runtime}}"), "berth");
  remove("default");
}

TEST_F(DockerTest, RunPassesOutputExitStatusAndSettingsOn) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    transcript.command("run", run_container(runtime, {"--rm"}, {"sh", "-c", "echo $GREETING; exit 3"}));
    transcript.command(
        "run with settings",
        run_container(runtime,
                      {"--rm",
                       "--read-only",
                       "--env",
                       "COLOUR=blue",
                       "--workdir",
                       "/www",
                       "--user",
                       "1000:1000",
                       "--volume",
                       "/usr/share/doc:/mnt:ro",
                       "--hostname",
                       "box",
                       "--tmpfs",
                       "/scratch",
                       "--sysctl",
                       "net.core.somaxconn=100",
                       "--cap-drop",
                       "all",
                       "--shm-size",
                       "1m",
                       "--init",
                       "--security-opt",
                       "no-new-privileges"},
                      {"sh", "-c",
                       "pwd; echo $COLOUR; id -u; hostname; touch /file 2>/dev/null || echo read-only; "
                       "touch /mnt/file 2>/dev/null || echo bound read-only; touch /scratch/file && echo tmpfs; "
                       "cat /proc/sys/net/core/somaxconn; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; "
                       "grep '^shm ' /proc/mounts | grep -o '[0-9]*k'; tr '\\0' ' ' < /proc/1/cmdline | cut -c -16"}));
    transcript.command("run with a terminal",
                       in_terminal(run_command(runtime, {"--rm", "--interactive", "--tty"}, {"tty"})));
    transcript.command("run in the host's namespaces",
                       run_container(runtime, {"--rm", "--network", "host", "--pid", "host", "--ipc", "host"},
                                     {"sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/pid"}));
  };
  const auto link = [](const char* name) { return must_run({"readlink", std::string("/proc/self/ns/") + name}); };
  expect_same(scenario,
              "run: exit status 3\nhello\n"
              "run with settings: exit status 0\n/www\nblue\n1000\nbox\nread-only\nbound read-only\ntmpfs\n100\n"
              "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n1024k\n/sbin/docker-ini\n"
              "run with a terminal: exit status 0\n/dev/pts/0\n"
              "run in the host's namespaces: exit status 0\n" +
                  link("net") + link("pid"));
}

TEST_F(DockerTest, AContainerIsStartedExecutedInRestartedStoppedAndRemoved) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "life-" + runtime.name;
    start(runtime, transcript, {"--name", name}, {"sh", "-c", kUntilTerm});
    transcript.fact("status", inspect(name, "{{.State.Status}}"));
    transcript.command("exec", docker({"exec", "--env", "COLOUR=blue", "--user", "1000", name, "sh", "-c",
                                       "echo $COLOUR; id -u; exit 4"}));
    transcript.command("exec with input", run(command({"exec", "--interactive", name, "cat"}),
                                              {.env = {}, .input = "through\n", .working_directory = ""}));
    transcript.command("exec with a terminal",
                       in_terminal(command({"exec", "--interactive", "--tty", name, "sh", "-c", "'tty; exit 6'"})));
    transcript.status("pause", docker({"pause", name}));
    transcript.fact("status", inspect(name, "{{.State.Status}}"));
    transcript.status("unpause", docker({"unpause", name}));
    transcript.fact("status", inspect(name, "{{.State.Status}}"));
    transcript.status("restart", docker({"restart", "--time", "5", name}));
    transcript.fact("status", inspect(name, "{{.State.Status}}"));
    eventually([&] { return docker({"logs", name}).output.ends_with("bye\nstarted\n"); });
    transcript.status("stop", docker({"stop", "--time", "5", name}));
    transcript.fact("stopped", inspect(name, "{{.State.Status}} {{.State.ExitCode}}"));
    transcript.command("logs", docker({"logs", name}));
    transcript.status("start", docker({"start", name}));
    transcript.status("kill", docker({"kill", name}));
    transcript.command("wait", docker({"wait", name}));
    transcript.status("rm", docker({"rm", name}));
  };
  expect_same(scenario,
              "start: exit status 0\nstatus: running\nexec: exit status 4\nblue\n1000\n"
              "exec with input: exit status 0\nthrough\nexec with a terminal: exit status 6\n/dev/pts/0\n"
              "pause: exit status 0\nstatus: paused\nunpause: exit status 0\nstatus: running\n"
              "restart: exit status 0\nstatus: running\nstop: exit status 0\nstopped: exited 5\n"
              "logs: exit status 0\nstarted\nbye\nstarted\nbye\nstart: exit status 0\nkill: exit status 0\n"
              "wait: exit status 0\n137\nrm: exit status 0\n");
}

TEST_F(DockerTest, WhatCannotBeExecutedHasTheExitStatusOfAShell) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    for (const char* program : {"/nope", "nope", "/etc", "/etc/passwd"}) {
      const auto& result = transcript.command(program, run_container(runtime, {"--rm"}, {program}));
      transcript.fact("named",
                      result.error.find("exec: \"" + std::string(program) + "\"") == std::string::npos ? "no" : "yes");
    }
    const std::string name = "bad-exec-" + runtime.name;
    start(runtime, transcript, {"--name", name}, {"sleep", "1000"});
    transcript.status("exec", docker({"exec", name, "/etc/passwd"}));
    remove(name);
  };
  expect_same(scenario,
              "/nope: exit status 127\nnamed: yes\nnope: exit status 127\nnamed: yes\n"
              "/etc: exit status 126\nnamed: yes\n/etc/passwd: exit status 126\nnamed: yes\n"
              "start: exit status 0\nexec: exit status 126\n");
}

TEST_F(DockerTest, LimitsReachTheContainerAndChange) {
  if (on_cgroup_v2()) GTEST_SKIP() << "the names of the files are those of cgroup v1";
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "limits-" + runtime.name;
    start(runtime, transcript,
          {"--name", name, "--memory", "32m", "--memory-swap", "64m", "--pids-limit", "50", "--cpus", "0.5", "--ulimit",
           "nofile=100:100", "--oom-score-adj", "500"},
          {"sleep", "1000"});
    const auto show = [&] {
      transcript.command("limits", docker({"exec", name, "sh", "-c",
                                           "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max "
                                           "cpu/cpu.cfs_quota_us; ulimit -n; cat /proc/1/oom_score_adj"}));
    };
    show();
    transcript.status("update", docker({"update", "--memory", "48m", "--pids-limit", "60", "--cpus", "0.25", name}));
    show();
    const auto top = docker({"top", name, "-o", "pid,args"});
    transcript.fact("top", top.output.find("sleep 1000") == std::string::npos ? top.error : "has it");
    remove(name);
  };
  expect_same(scenario,
              "start: exit status 0\nlimits: exit status 0\n33554432\n50\n50000\n100\n500\n"
              "update: exit status 0\nlimits: exit status 0\n50331648\n60\n25000\n100\n500\n"
              "top: has it\n");
}

TEST_F(DockerTest, UsageIsReported) {
  if (!shim_is_blind().empty()) GTEST_SKIP() << shim_is_blind();
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "stats-" + runtime.name;
    start(runtime, transcript, {"--name", name, "--memory", "32m"}, {"sleep", "1000"});
    const auto stats = docker({"stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", name});
    transcript.fact("stats", std::regex_replace(stats.output, std::regex("[0-9.]+[KM]iB /"), "some /"));
    remove(name);
  };
  expect_same(scenario, "start: exit status 0\nstats: 1 some / 32MiB\n\n");
}

TEST_F(DockerTest, APublishedPortAnswers) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "web-" + runtime.name;
    start(runtime, transcript, {"--name", name, "--publish", "8080:80"}, {"httpd", "-f", "-h", "/www"});
    transcript.fact("page", http_get(net::IpAddress::parse("127.0.0.1"), 8080));
    transcript.command("neighbour", run_container(runtime, {"--rm", "--network", "container:" + name},
                                                  {"wget", "-q", "-O", "-", "http://127.0.0.1/"}));
    remove(name);
    transcript.fact("answers", answers(net::IpAddress::parse("127.0.0.1"), 8080) ? "yes" : "no");
  };
  expect_same(scenario, "start: exit status 0\npage: a page\n\nneighbour: exit status 0\na page\nanswers: no\n");
}

TEST_F(DockerTest, AFailedContainerIsStartedAgainAndAHealthcheckIsRun) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "again-" + runtime.name;
    start(runtime, transcript, {"--name", name, "--restart", "on-failure:2"}, {"sh", "-c", "echo try; exit 1"});
    eventually([&] { return inspect(name, "{{.State.Status}} {{.RestartCount}}") == "exited 2"; });
    transcript.command("logs", docker({"logs", name}));
    remove(name);
    start(runtime, transcript, {"--name", name, "--health-cmd", "test -e /www", "--health-interval", "200ms"},
          {"sleep", "1000"});
    eventually([&] { return inspect(name, "{{.State.Health.Status}}") == "healthy"; });
    transcript.fact("health", inspect(name, "{{.State.Health.Status}}"));
    remove(name);
  };
  expect_same(scenario,
              "start: exit status 0\nlogs: exit status 0\ntry\ntry\ntry\nstart: exit status 0\nhealth: healthy\n");
}

}  // namespace
}  // namespace berth::test
