// Processes in running containers, beside Debian's runc where that says something.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "container/store.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::Not;

class ExecTest : public ContainerSandbox {
 protected:
  void TearDown() override {
    for (const auto& id : running_) berth({"delete", "--force", id});
    for (const auto& id : in_runc_) run({system_program("runc"), "--root", "/run/runc", "delete", "--force", id});
    ContainerSandbox::TearDown();
  }

  void run_container(const std::string& id, const Edit& edit = {}) {
    running_.push_back(id);
    run_sleeper(id, edit);
  }

  /// `exec` in a container of each runtime made from one configuration: the same output and exit status.
  void expect_same_as_runc(const std::vector<std::string>& words, const Edit& edit = {}) {
    const std::string runc = system_program("runc");
    if (runc.empty()) GTEST_SKIP() << "runc is not installed";
    if (running_.empty()) {
      run_container("ours", edit);
      in_runc_.emplace_back("theirs");
      must_run({runc, "--root", "/run/runc", "run", "--detach", "--bundle", bundle({"sleep", "1000"}, edit, "theirs"),
                "theirs"});
    }
    const auto command = [&](std::vector<std::string> start, const char* id) {
      for (const auto& word : words) start.push_back(word == "ID" ? id : word);
      return run(start);
    };
    const auto ours = command(berth_command({"exec"}), "ours");
    const auto theirs = command({runc, "--root", "/run/runc", "exec"}, "theirs");
    EXPECT_EQ(theirs.exit_status, ours.exit_status) << ours.error << theirs.error;
    EXPECT_EQ(theirs.output, ours.output);
  }

  void expect_error(const std::vector<std::string>& words, const std::string& text) {
    const auto result = berth(words);
    EXPECT_EQ(255, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr("exec failed: "));
    EXPECT_THAT(result.error, HasSubstr(text));
  }

  /// Where this process is in a v1 hierarchy.
  static std::string own_place(const std::string& controller) {
    const std::string text = base::read_file("/proc/self/cgroup");
    const auto start = text.find(":" + controller + ":") + controller.size() + 2;
    const std::string place = text.substr(start, text.find('\n', start) - start);
    return place == "/" ? "" : place;
  }

  static std::string link(const std::string& path) { return std::filesystem::read_symlink(path); }

 private:
  std::vector<std::string> running_;
  std::vector<std::string> in_runc_;
};

TEST_F(ExecTest, IdentityLimitsAndEnvironmentAreAsWithRunc) {
  const char* script =
      "grep -E 'Uid|Gid|Groups|Cap|NoNewPrivs' /proc/self/status; cat /proc/self/limits /proc/self/oom_score_adj; "
      "env | sort; pwd; umask; ls /proc/self/fd | wc -l";
  const Edit edit = [](Json& spec) {
    spec["process"]["cwd"] = "/tmp";
    spec["process"]["oomScoreAdj"] = 321;
    spec["process"]["env"].push_back("COLOUR=blue");
  };
  expect_same_as_runc({"ID", "sh", "-c", script}, edit);
  expect_same_as_runc({"--user", "1000:1000", "--additional-gids", "7", "ID", "sh", "-c", script}, edit);
  expect_same_as_runc({"--cap", "CAP_SYS_TIME", "--env", "COLOUR=red", "--cwd", "/root", "ID", "sh", "-c", script},
                      edit);
  expect_same_as_runc({"ID", "sh", "-c", "kill -9 $$"});
  expect_same_as_runc({"ID", "sh", "-c", "exit 17"});
}

TEST_F(ExecTest, TheProcessIsInTheContainersNamespacesAndCgroups) {
  run_container("c");
  // The pid of a detached process is the host's: compare from here.
  const std::string file = scratch() + "/pid";
  must_berth({"exec", "--detach", "--pid-file", file, "c", "sleep", "1000"});
  const std::string joined = "/proc/" + base::read_file(file);
  const std::string init = "/proc/" + std::to_string(pid_of("c"));
  for (const char* ns : {"pid", "net", "ipc", "uts", "mnt"}) {
    EXPECT_EQ(link(init + "/ns/" + ns), link(joined + "/ns/" + ns)) << ns;
    EXPECT_NE(link("/proc/self/ns/" + std::string(ns)), link(joined + "/ns/" + ns)) << ns;
  }
  EXPECT_EQ(base::read_file(init + "/cgroup"), base::read_file(joined + "/cgroup"));
  EXPECT_THAT(must_berth({"exec", "c", "ps"}), HasSubstr("sleep 1000"));
}

TEST_F(ExecTest, ADetachedProcessOutlivesTheCommandAndEndsWithTheContainer) {
  run_container("c");
  const std::string file = scratch() + "/pid";
  must_berth({"exec", "--detach", "--pid-file", file, "c", "sleep", "1000"});
  const std::string pid = base::read_file(file);
  EXPECT_TRUE(exists("/proc/" + pid));
  must_berth({"delete", "--force", "c"});
  EXPECT_TRUE(eventually([&] { return runtime::process_start_time(std::stoi(pid)) == 0; }));
}

TEST_F(ExecTest, AProcessFileReplacesEverything) {
  run_container("c");
  Json process;
  process["args"] = {"sh", "-c", "id -u; pwd; echo $ONLY $TERM; ulimit -n; grep NoNewPrivs /proc/self/status"};
  process["env"] = {"PATH=/bin", "ONLY=this"};
  process["cwd"] = "/tmp";
  process["user"] = {{"uid", 1000}, {"gid", 1000}};
  process["rlimits"] = Json::array({{{"type", "RLIMIT_NOFILE"}, {"hard", 77}, {"soft", 66}}});
  const std::string file = write("process.json", process.dump());
  EXPECT_EQ("1000\n/tmp\nthis\n66\nNoNewPrivs:\t0\n", must_berth({"exec", "--process", file, "c"}));
  expect_error({"exec", "--process", file, "c", "true"}, "--process");
}

TEST_F(ExecTest, CapabilitiesThatItCannotGiveAreSaidAndLeftOut) {
  run_container("c");
  const std::string warning = "level=warning msg=\"ignoring unknown or unavailable capabilities: [CAP_FOO]\"";
  const auto by_flag = berth({"exec", "--cap", "foo", "--cap", "CAP_KILL", "c", "true"});
  EXPECT_TRUE(by_flag.ok());
  EXPECT_THAT(by_flag.error, HasSubstr(warning));
  const Json process{{"args", {"true"}},
                     {"cwd", "/"},
                     {"env", {"PATH=/bin"}},
                     {"capabilities", {{"bounding", {"CAP_FOO", "CAP_KILL"}}}}};
  const auto by_file = berth({"exec", "--process", write("process.json", process.dump()), "c"});
  EXPECT_TRUE(by_file.ok());
  EXPECT_THAT(by_file.error, HasSubstr(warning));
  EXPECT_EQ("", berth({"exec", "c", "true"}).error);
}

TEST_F(ExecTest, FailuresAreStatus255AndNameTheProgram) {
  run_container("c");
  expect_error({"exec", "c", "nope"}, R"(exec: \"nope\": executable file not found in $PATH)");
  expect_error({"exec", "c", "/nope"}, R"(exec: \"/nope\": stat /nope: no such file or directory)");
  expect_error({"exec", "c", "/etc"}, R"(exec: \"/etc\": is a directory: permission denied)");
  expect_error({"exec", "c", "/etc/passwd"}, R"(exec: \"/etc/passwd\": permission denied)");
  expect_error({"exec", "--cwd", "/nope", "c", "true"}, R"(chdir to cwd (\"/nope\"))");
  expect_error({"exec", "--user", "1x", "c", "true"}, "1x");
  expect_error({"exec", "nobody", "true"}, "container does not exist");
  // What failed left no process behind.
  EXPECT_THAT(must_berth({"exec", "c", "ps", "-o", "comm"}), Not(HasSubstr("berth")));
}

TEST_F(ExecTest, AProgramThatTheKernelRefusesIsReported) {
  run_container("c");
  const std::string root = scratch() + "/c/rootfs";
  base::write_file_atomic(root + "/script", "#!/no/interpreter\n", 0755);
  base::write_file_atomic(root + "/garbage", "\177garbage", 0755);
  expect_error({"exec", "c", "/script"}, "no such file or directory");
  expect_error({"exec", "c", "/garbage"}, "exec format error");
}

TEST_F(ExecTest, StoppedAndPausedContainersAreRefused) {
  run_container("paused");
  for (const auto& directory : cgroups_of("paused")) {
    if (exists(directory + "/freezer.state")) base::write_existing(directory + "/freezer.state", "FROZEN");
    if (exists(directory + "/cgroup.freeze")) base::write_existing(directory + "/cgroup.freeze", "1");
  }
  if (eventually([] { return status_of("paused") == "paused"; }))
    expect_error({"exec", "paused", "true"}, "cannot exec in a paused container (use --ignore-paused to override)");
  must_berth({"kill", "paused", "KILL"});
  ASSERT_TRUE(eventually([] { return status_of("paused") == "stopped"; }));
  expect_error({"exec", "paused", "true"}, "cannot exec in a stopped container");
}

TEST_F(ExecTest, ItRunsInACreatedContainer) {
  must_berth({"create", "--bundle", bundle({"true"}), "c"});
  EXPECT_EQ("box\n", must_berth({"exec", "c", "hostname"}));
  EXPECT_EQ("created", status_of("c"));
  must_berth({"delete", "c"});
}

TEST_F(ExecTest, ItJoinsAUserNamespace) {
  const Edit in_user_namespace = [](Json& spec) {
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    spec["linux"]["uidMappings"] = Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
    spec["linux"]["gidMappings"] = spec["linux"]["uidMappings"];
  };
  const std::string path = bundle({"sleep", "1000"}, in_user_namespace, "mapped");
  must_run({"chown", "-R", "100000:100000", path + "/rootfs"});
  must_berth({"run", "--detach", "--bundle", path, "mapped"});
  EXPECT_EQ("0\n", must_berth({"exec", "mapped", "id", "-u"}));
  EXPECT_EQ("1000\n", must_berth({"exec", "--user", "1000:1000", "mapped", "id", "-u"}));
  const std::string file = scratch() + "/pid";
  must_berth({"exec", "--detach", "--pid-file", file, "mapped", "sleep", "1000"});
  struct stat info {};
  ASSERT_EQ(0, ::stat(("/proc/" + base::read_file(file)).c_str(), &info));
  EXPECT_EQ(100000U, info.st_uid);
  must_berth({"delete", "--force", "mapped"});
}

TEST_F(ExecTest, OnlyDescriptorsThatArePreservedArePassed) {
  run_container("c");
  const std::string file = write("passed", "content of three");
  const std::string command = built("berth") + " --root /run/berth exec ";
  EXPECT_EQ("content of three",
            must_run({"sh", "-c", command + "--preserve-fds 1 c cat /proc/self/fd/3 3< " + file + " 4< " + file}));
  EXPECT_FALSE(run({"sh", "-c", command + "--preserve-fds 1 c cat /proc/self/fd/4 3< " + file + " 4< " + file}).ok());
  EXPECT_FALSE(run({"sh", "-c", command + "c cat /proc/self/fd/3 3< " + file}).ok());
}

TEST_F(ExecTest, ASubgroupOfTheContainersCgroupIsJoined) {
  run_container("grouped");
  const auto directories = cgroups_of("grouped");
  if (directories.empty()) GTEST_SKIP() << "no cgroups on this machine";
  for (const auto& directory : directories) {
    base::make_directories(directory + "/inner", 0755);
    // A new cpuset takes no process before it has what its parent has.
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
      if (!exists("/sys/fs/cgroup/cgroup.controllers") && exists(directory + file))
        base::write_existing(directory + "/inner" + file, base::read_file(directory + file));
    }
  }
  const std::string cgroups = must_berth({"exec", "--cgroup", "inner", "grouped", "cat", "/proc/self/cgroup"});
  EXPECT_THAT(cgroups, HasSubstr("/grouped/inner\n"));
  EXPECT_THAT(must_berth({"exec", "grouped", "cat", "/proc/self/cgroup"}), Not(HasSubstr("inner")));
  EXPECT_EQ(cgroups, must_berth({"exec", "--cgroup", "/other/../inner/", "grouped", "cat", "/proc/self/cgroup"}));
  for (const char* outside : {"..", "../../inner", "/../inner", "inner/../../other"})
    expect_error({"exec", "--cgroup", outside, "grouped", "true"}, std::string(outside) + " is not a sub cgroup path");
  expect_error({"exec", "--cgroup", "missing", "grouped", "true"}, "--cgroup missing: ");
  expect_error({"exec", "--cgroup", "nosuch:inner", "grouped", "true"}, R"(cgroup controller \"nosuch\")");
  if (exists("/sys/fs/cgroup/cgroup.controllers")) return;
  const std::string some = must_berth({"exec", "--cgroup", "pids,memory:inner", "grouped", "cat", "/proc/self/cgroup"});
  EXPECT_THAT(some, HasSubstr(":pids:" + own_place("pids") + "/grouped/inner\n"));
  EXPECT_THAT(some, HasSubstr(":devices:" + own_place("devices") + "/grouped\n"));
}

TEST_F(ExecTest, WhereTheTopCgroupTakesNoProcessItGoesBesideInit) {
  if (!exists("/sys/fs/cgroup/cgroup.controllers"))
    GTEST_SKIP() << "only cgroup v2 has this rule (run by tests/vm/run)";
  run_container("nested");
  const auto directories = cgroups_of("nested");
  ASSERT_FALSE(directories.empty());
  const std::string& top = directories.front();
  base::make_directories(top + "/init", 0755);
  base::write_existing(top + "/init/cgroup.procs", std::to_string(pid_of("nested")));
  base::write_existing(top + "/cgroup.subtree_control", "+pids +memory");
  EXPECT_THAT(must_berth({"exec", "nested", "cat", "/proc/self/cgroup"}), HasSubstr("/nested/init\n"));
}

TEST_F(ExecTest, SignalsReachTheProcessAndItsStatusComesBack) {
  run_container("c");
  const std::string root = scratch() + "/c/rootfs";
  Child exec(
      berth_command({"exec", "c", "sh", "-c", "trap 'exit 33' HUP; touch /ready; while :; do sleep 0.02; done"}));
  ASSERT_TRUE(eventually([&] { return exists(root + "/ready"); }));
  exec.signal(SIGHUP);
  EXPECT_EQ(33, exec.wait());
  Child killed(berth_command({"exec", "c", "sh", "-c", "touch /again; while :; do sleep 0.02; done"}));
  ASSERT_TRUE(eventually([&] { return exists(root + "/again"); }));
  killed.signal(SIGTERM);
  EXPECT_EQ(128 + SIGTERM, killed.wait());
  EXPECT_EQ("running", status_of("c"));
}

TEST_F(ExecTest, InputAndBothOutputsArePassedThrough) {
  run_container("c");
  const auto result = berth({"exec", "c", "sh", "-c", "cat; echo problem >&2"}, "from outside");
  EXPECT_EQ("from outside", result.output);
  EXPECT_EQ("problem\n", result.error);
}

TEST_F(ExecTest, TheContainerCannotTraceWhoIsJoining) {
  // A process of the container looks at every new process, as fast as it can, for one whose descriptors it can list and
  // that is still the runtime.
  const std::string path = bundle({"sh", "-c",
                                   "touch /ready; while :; do for p in /proc/[0-9]*; do case \"$(readlink $p/exe)\" in "
                                   "*berth*) echo $p >> /seen;; esac; done; done"},
                                  {}, "watcher");
  must_berth({"run", "--detach", "--bundle", path, "watcher"});
  ASSERT_TRUE(eventually([&] { return exists(path + "/rootfs/ready"); }));
  for (int i = 0; i < 30; ++i) must_berth({"exec", "watcher", "true"});
  must_berth({"delete", "--force", "watcher"});
  EXPECT_FALSE(exists(path + "/rootfs/seen"));
}

TEST_F(ExecTest, NoNewPrivilegesCanBeSetAndTakenBackForOneProcess) {
  const auto script = "grep NoNewPrivs /proc/self/status";
  const auto privileges = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), "exec");
    flags.insert(flags.end(), {"free", "sh", "-c", script});
    return must_berth(flags);
  };
  run_sleeper("free", [](Json& spec) { spec["process"]["noNewPrivileges"] = false; });
  EXPECT_EQ("NoNewPrivs:\t0\n", privileges({}));
  EXPECT_EQ("NoNewPrivs:\t1\n", privileges({"--no-new-privs"}));
  EXPECT_EQ("NoNewPrivs:\t0\n", privileges({"--no-new-privs=false"}));
  must_berth({"delete", "--force", "free"});
}

}  // namespace
}  // namespace berth::test
