// Podman drives the runtime through conmon. It has no daemon; all tests share its storage.
#include <filesystem>
#include <regex>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "engines/engine.h"
#include "support/limits.h"

namespace berth::test {
namespace {

constexpr const char* kDropIns = "/etc/containers/containers.conf.d";
const std::string kUntilTerm = "trap 'echo bye; exit 5' TERM; echo started; while :; do sleep 0.1; done";

class PodmanTest : public EngineTest {
 protected:
  static void SetUpTestSuite() {
    if (!prepare({"podman", "conmon"}, {kDropIns, "/etc/containers/networks", "/var/lib/containers"})) return;
    base::write_file_atomic(std::string(kDropIns) + "/50-berth.conf", shipped_configuration("podman/50-berth.conf"),
                            0644);
    // Podman asks for the highest limits that there are; that may be more than our own.
    base::write_file_atomic(std::string(kDropIns) + "/90-test.conf",
                            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n"
                            "[network]\nnetwork_backend = \"netavark\"\n",
                            0644);
    must_run(command({"load", "--quiet", "--input", image().archive}));
  }

  static std::vector<std::string> command(const std::vector<std::string>& words, const std::string& runtime = {}) {
    std::vector<std::string> argv{"env",
                                  "PODMAN_IGNORE_CGROUPSV1_WARNING=1",  // Podman 5 says so in every output
                                  "podman",
                                  "--root",
                                  host().scratch() + "/podman",
                                  "--runroot",
                                  "/run/podman/run",
                                  "--tmpdir",
                                  "/run/podman/tmp",
                                  "--storage-driver",
                                  "vfs",
                                  "--cgroup-manager",
                                  "cgroupfs",
                                  "--events-backend",
                                  "file"};
    if (!runtime.empty()) argv.insert(argv.end(), {"--runtime", runtime});
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
  }
  static base::CommandResult podman(const Runtime& runtime, const std::vector<std::string>& words) {
    return run(command(words, runtime.name));
  }
  /// `podman run FLAGS busybox ARGS`
  static base::CommandResult run_container(const Runtime& runtime, const std::vector<std::string>& flags,
                                           const std::vector<std::string>& args) {
    std::vector<std::string> words{"run", "--cgroup-parent", host().cgroup_parent()};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(image().reference);
    words.insert(words.end(), args.begin(), args.end());
    return podman(runtime, words);
  }
  /// The same in the background; the transcript has no identifier.
  static void start(const Runtime& runtime, Transcript& transcript, std::vector<std::string> flags,
                    const std::vector<std::string>& args) {
    flags.push_back("--detach");
    transcript.status("start", run_container(runtime, flags, args));
  }
  static std::string inspect(const Runtime& runtime, const std::string& name, const std::string& format) {
    auto result = podman(runtime, {"inspect", "--format", format, name});
    if (!result.ok()) return result.error;
    result.output.pop_back();
    return result.output;
  }
  static void remove(const Runtime& runtime, const std::string& name) {
    podman(runtime, {"rm", "--force", "--time", "0", name});
  }
};

TEST_F(PodmanTest, TheShippedConfigurationMakesItTheDefault) {
  EXPECT_EQ(must_run(command({"info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}"})),
            "berth " + berth().path + "\n");
}

TEST_F(PodmanTest, RunPassesOutputExitStatusAndSettingsOn) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    transcript.command("run", run_container(runtime, {"--rm"}, {"sh", "-c", "echo $GREETING; exit 3"}));
    transcript.command(
        "run with settings",
        run_container(runtime, {"--rm",       "--read-only",
                                "--env",      "COLOUR=blue",
                                "--workdir",  "/www",
                                "--user",     "1000:1000",
                                "--volume",   "/usr/share/doc:/mnt:ro",
                                "--hostname", "box",
                                "--tmpfs",    "/scratch",
                                "--sysctl",   "net.ipv4.ip_unprivileged_port_start=0",
                                "--cap-drop", "all",
                                "--shm-size", "1m"},
                      {"sh", "-c",
                       "pwd; echo $COLOUR; id -u; hostname; touch /file 2>/dev/null || echo read-only; "
                       "touch /mnt/file 2>/dev/null || echo bound read-only; touch /scratch/file && echo tmpfs; "
                       "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; grep CapBnd /proc/self/status; "
                       "grep -E 'Seccomp:' /proc/self/status; grep '^shm ' /proc/mounts | grep -o '[0-9]*k'"}));
    transcript.command("run in a user namespace",
                       run_container(runtime, {"--rm", "--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000"},
                                     {"sh", "-c", "id -u; tr -s ' ' < /proc/self/uid_map; stat -c %u /www"}));
    transcript.command("run with a terminal",
                       in_terminal(command({"run", "--rm", "--interactive", "--tty", "--cgroup-parent",
                                            host().cgroup_parent(), image().reference, "tty"},
                                           runtime.name)));
  };
  expect_same(scenario,
              "run: exit status 3\nhello\n"
              "run with settings: exit status 0\n/www\nblue\n1000\nbox\nread-only\nbound read-only\ntmpfs\n0\n"
              "CapBnd:\t0000000000000000\nSeccomp:\t2\n1024k\n"
              "run in a user namespace: exit status 0\n0\n 0 100000 1000\n0\n"
              "run with a terminal: exit status 0\n/dev/pts/0\n");
}

TEST_F(PodmanTest, AContainerIsStartedExecutedInStoppedAndRemoved) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "life-" + runtime.name;
    start(runtime, transcript, {"--name", name}, {"sh", "-c", kUntilTerm});
    transcript.fact("status", inspect(runtime, name, "{{.State.Status}}"));
    transcript.command("exec", podman(runtime, {"exec", "--env", "COLOUR=blue", name, "sh", "-c",
                                                "echo $COLOUR; cut -d ' ' -f 4 /proc/1/stat; exit 4"}));
    transcript.command("exec with input", run(command({"exec", "--interactive", name, "cat"}, runtime.name),
                                              {.env = {}, .input = "through\n", .working_directory = ""}));
    transcript.status("pause", podman(runtime, {"pause", name}));
    transcript.fact("status", inspect(runtime, name, "{{.State.Status}}"));
    podman(runtime, {"unpause", name});
    transcript.fact("status", inspect(runtime, name, "{{.State.Status}}"));
    podman(runtime, {"stop", "--time", "5", name});
    transcript.fact("stopped", inspect(runtime, name, "{{.State.Status}} {{.State.ExitCode}}"));
    transcript.command("logs", podman(runtime, {"logs", name}));
    podman(runtime, {"start", name});
    podman(runtime, {"kill", "--signal", "KILL", name});
    transcript.command("wait", podman(runtime, {"wait", name}));
    transcript.status("rm", podman(runtime, {"rm", name}));
    transcript.command("exists", podman(runtime, {"container", "exists", name}));
  };
  expect_same(scenario,
              "start: exit status 0\nstatus: running\nexec: exit status 4\nblue\n0\n"
              "exec with input: exit status 0\nthrough\n"
              "pause: exit status 0\nstatus: paused\nstatus: running\nstopped: exited 5\n"
              "logs: exit status 0\nstarted\nbye\n"
              "wait: exit status 0\n137\nrm: exit status 0\nexists: exit status 1\n");
}

/// Lines, without what Podman logs about itself, which it does when the machine is slow.
size_t errors_in(const std::string& text) {
  const auto lines = base::split(text, '\n');
  return static_cast<size_t>(std::count_if(
      lines.begin(), lines.end(), [](const std::string& line) { return !line.empty() && !line.starts_with("time="); }));
}

TEST_F(PodmanTest, WhatCannotBeExecutedHasTheExitStatusOfAShell) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    for (const char* program : {"/nope", "nope", "/etc", "/etc/passwd"}) {
      const auto& result = transcript.command(program, run_container(runtime, {"--rm"}, {program}));
      transcript.fact("one line", errors_in(result.error) == 1 ? "yes" : "no: " + result.error);
      transcript.fact("names it",
                      result.error.find("exec: \"" + std::string(program) + "\"") == std::string::npos ? "no" : "yes");
    }
    const std::string name = "bad-exec-" + runtime.name;
    start(runtime, transcript, {"--name", name}, {"sleep", "1000"});
    transcript.command("exec", podman(runtime, {"exec", name, "/nope"}));
    transcript.command("exec", podman(runtime, {"exec", name, "/etc/passwd"}));
    remove(runtime, name);
  };
  expect_same(scenario,
              "/nope: exit status 127\none line: yes\nnames it: yes\n"
              "nope: exit status 127\none line: yes\nnames it: yes\n"
              "/etc: exit status 126\none line: yes\nnames it: yes\n"
              "/etc/passwd: exit status 126\none line: yes\nnames it: yes\n"
              "start: exit status 0\nexec: exit status 127\nexec: exit status 126\n");
}

TEST_F(PodmanTest, LimitsReachTheContainer) {
  if (on_cgroup_v2()) GTEST_SKIP() << "the names of the files are those of cgroup v1";
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    transcript.command(
        "run", run_container(runtime,
                             {"--rm", "--memory", "32m", "--pids-limit", "50", "--cpus", "0.5", "--ulimit",
                              "nofile=100:100", "--ulimit", "nproc=1024:1024", "--oom-score-adj", "500"},
                             {"sh", "-c",
                              "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us; "
                              "ulimit -n; cat /proc/self/oom_score_adj"}));
  };
  expect_same(scenario, "run: exit status 0\n33554432\n50\n50000\n100\n500\n");
}

TEST_F(PodmanTest, APublishedPortAnswers) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "web-" + runtime.name;
    start(runtime, transcript, {"--name", name, "--publish", "8080:80"}, {"httpd", "-f", "-h", "/www"});
    transcript.fact("page", http_get(net::IpAddress::parse("127.0.0.1"), 8080));
    remove(runtime, name);
    transcript.fact("answers", answers(net::IpAddress::parse("127.0.0.1"), 8080) ? "yes" : "no");
  };
  expect_same(scenario, "start: exit status 0\npage: a page\n\nanswers: no\n");
}

TEST_F(PodmanTest, MembersOfAPodShareItsNetwork) {
  const std::string rootfs = host().scratch() + "/pause-rootfs";
  base::make_directories(rootfs, 0755);
  std::filesystem::copy_file(built("pause"), rootfs + "/pause");
  const Image pause =
      make_image(host().scratch() + "/pause-image", "localhost/pause:test", rootfs, {{"Entrypoint", {"/pause"}}});
  must_run(command({"load", "--quiet", "--input", pause.archive}));
  const auto scenario = [&](const Runtime& runtime, Transcript& transcript) {
    const std::string pod = "pod-" + runtime.name;
    must_run(command({"pod", "create", "--name", pod, "--infra-image", pause.reference, "--cgroup-parent",
                      host().cgroup_parent(), "--publish", "8081:80", "--hostname", "pod"},
                     runtime.name));
    const auto member = [&](const std::vector<std::string>& flags, const std::vector<std::string>& args) {
      std::vector<std::string> words{"run", "--pod", pod};
      words.insert(words.end(), flags.begin(), flags.end());
      words.push_back(image().reference);
      words.insert(words.end(), args.begin(), args.end());
      return podman(runtime, words);
    };
    transcript.status("server", member({"--detach"}, {"httpd", "-f", "-h", "/www"}));
    transcript.command("neighbour", member({"--rm"}, {"sh", "-c", "wget -q -O - http://127.0.0.1/; hostname"}));
    transcript.fact("page", http_get(net::IpAddress::parse("127.0.0.1"), 8081));
    transcript.fact("pod", podman(runtime, {"pod", "ps", "--format", "{{.Status}} {{.NumberOfContainers}}"}).output);
    transcript.status("stop", podman(runtime, {"pod", "stop", "--time", "1", pod}));
    transcript.status("rm", podman(runtime, {"pod", "rm", pod}));
  };
  expect_same(scenario,
              "server: exit status 0\nneighbour: exit status 0\na page\npod\npage: a page\n\n"
              "pod: Running 2\n\nstop: exit status 0\nrm: exit status 0\n");
}

TEST_F(PodmanTest, AHealthcheckSaysHowItIs) {
  const auto scenario = [](const Runtime& runtime, Transcript& transcript) {
    const std::string name = "health-" + runtime.name;
    start(runtime, transcript,
          {"--name", name, "--health-cmd", "cat /tmp/healthy", "--health-interval", "disable", "--health-retries", "1"},
          {"sh", "-c", "touch /tmp/healthy; exec sleep 1000"});
    eventually([&] { return podman(runtime, {"exec", name, "test", "-e", "/tmp/healthy"}).ok(); });
    transcript.status("check", podman(runtime, {"healthcheck", "run", name}));
    transcript.fact("health", inspect(runtime, name, "{{.State.Health.Status}}"));
    podman(runtime, {"exec", name, "rm", "/tmp/healthy"});
    transcript.status("check", podman(runtime, {"healthcheck", "run", name}));
    transcript.fact("health", inspect(runtime, name, "{{.State.Health.Status}}"));
    remove(runtime, name);
  };
  expect_same(scenario,
              "start: exit status 0\ncheck: exit status 0\nhealth: healthy\ncheck: exit status 1\n"
              "health: unhealthy\n");
}

}  // namespace
}  // namespace berth::test
