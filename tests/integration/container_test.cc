// Containers as their own processes see them, beside Debian's runc on the same bundle, and the errors that clients
// match.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ContainerTest : public Sandbox {
 protected:
  base::CommandResult berth(std::vector<std::string> words) {
    words.insert(words.begin(), {built("berth"), "--root", "/run/berth"});
    return run(words);
  }

  base::CommandResult runc(std::vector<std::string> words) {
    words.insert(words.begin(), {system_program("runc"), "--root", "/run/runc"});
    return run(words);
  }

  std::string must_berth(std::vector<std::string> words) {
    words.insert(words.begin(), {built("berth"), "--root", "/run/berth"});
    return must_run(words);
  }

  Json spec_of(const std::vector<std::string>& args) { return Json::parse(busybox_spec(args)); }
  Json shell(const std::string& script) { return spec_of({"sh", "-c", script}); }

  std::string bundle(const Json& spec) {
    const std::string directory = scratch() + "/bundle" + std::to_string(bundles_++);
    return make_bundle(directory, spec.dump(2));
  }

  /// Runs the bundle with berth and with runc; both must end the same way. Returns what both printed: first berth's.
  std::pair<std::string, std::string> run_both(const std::string& path) {
    const auto ours = berth({"run", "--bundle", path, "ours"});
    if (system_program("runc").empty()) throw std::runtime_error("runc is not installed");
    const auto theirs = runc({"run", "--bundle", path, "theirs"});
    EXPECT_EQ(theirs.exit_status, ours.exit_status) << ours.error << theirs.error;
    return {ours.output, theirs.output};
  }

  void expect_same_view(const Json& spec) {
    const auto [ours, theirs] = run_both(bundle(spec));
    EXPECT_FALSE(ours.empty());
    EXPECT_EQ(theirs, ours);
  }

  /// Runs a bundle that must fail to start, and checks that nothing of it is left.
  void expect_failure(const Json& spec, const std::string& text) {
    const std::string path = bundle(spec);
    const std::string before = host_state();
    for (const char* command : {"create", "run"}) {
      const auto result = berth({command, "--bundle", path, "failing"});
      EXPECT_EQ(1, result.exit_status) << command << result.output;
      EXPECT_THAT(result.error, HasSubstr(text)) << command;
      EXPECT_EQ(before, host_state()) << command;
      EXPECT_THAT(cgroups_of("failing"), IsEmpty()) << command;
    }
  }

  int bundles_ = 0;
};

/// Lines of /proc/self/status that a specification decides.
const char* const kStatus = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status; umask";

TEST_F(ContainerTest, IdentityAndCapabilitiesAreAsWithRunc) {
  expect_same_view(shell(kStatus));
  Json spec = shell(kStatus);
  spec["process"]["user"] = {{"uid", 1000}, {"gid", 1000}, {"umask", 63}, {"additionalGids", {5, 100}}};
  spec["process"]["noNewPrivileges"] = false;
  const Json caps = Json::array({"CAP_NET_BIND_SERVICE", "CAP_KILL"});
  for (const char* set : {"bounding", "effective", "permitted", "inheritable", "ambient"})
    spec["process"]["capabilities"][set] = caps;
  expect_same_view(spec);
  spec["process"].erase("capabilities");
  expect_same_view(spec);
}

TEST_F(ContainerTest, LimitsEnvironmentAndNamesAreAsWithRunc) {
  Json spec = shell(
      "cat /proc/self/limits; env | sort; hostname; pwd; cat /proc/self/oom_score_adj; tr '\\0' ' ' < "
      "/proc/self/cmdline");
  spec["process"]["cwd"] = "/made/by/the/runtime";
  spec["process"]["oomScoreAdj"] = 500;
  spec["process"]["env"].push_back("LATER=1");
  spec["process"]["env"].push_back("LATER=2");
  spec["process"]["rlimits"].push_back({{"type", "RLIMIT_CORE"}, {"hard", 100}, {"soft", 50}});
  expect_same_view(spec);
}

TEST_F(ContainerTest, MountsAreAsWithRunc) {
  write("shared/file", "content");
  Json spec = shell(
      "cut -d' ' -f4- /proc/self/mountinfo | sed -E 's/ - ([a-z0-9]+) .*/ - \\1/; s/(master|shared):[0-9]+/\\1/g' | "
      "grep -vE ' /sys/fs/cgroup| /proc/[a-z]| /sys/' | sed -E 's/^[^ ]+ //' | sort");
  const auto add = [&](const std::string& destination, const std::string& type, const std::string& source,
                       const Json& options) {
    spec["mounts"].push_back({{"destination", destination}, {"type", type}, {"source", source}, {"options", options}});
  };
  add("/bound", "bind", scratch() + "/shared", {"rbind", "ro", "nosuid", "nodev", "noexec"});
  add("/one-file", "bind", scratch() + "/shared/file", {"bind"});
  add("/scratch", "tmpfs", "tmpfs", {"size=64k", "mode=1777", "noexec"});
  add("/sealed", "tmpfs", "tmpfs", {"ro"});
  spec["root"]["readonly"] = true;
  expect_same_view(spec);
}

TEST_F(ContainerTest, DevicesAreAsWithRunc) {
  Json spec = shell(
      "cd /dev; ls -l | grep -vE '^total' | awk '{print $1, $3, $4, $5, $6, $NF}' | sed -E 's/ [0-9]+$//' | sort; ls "
      "-l /dev/pts | wc -l");
  spec["linux"]["devices"] = Json::array({{{"path", "/dev/fuse2"},
                                           {"type", "c"},
                                           {"major", 10},
                                           {"minor", 229},
                                           {"fileMode", 384},
                                           {"uid", 1000},
                                           {"gid", 5}},
                                          {{"path", "/dev/loop77"}, {"type", "b"}, {"major", 7}, {"minor", 77}},
                                          {{"path", "/dev/pipe"}, {"type", "p"}}});
  expect_same_view(spec);
}

TEST_F(ContainerTest, MaskedAndReadOnlyPathsAreAsWithRunc) {
  expect_same_view(
      shell("cat /proc/kcore | wc -c; ls /sys/firmware | wc -l; echo x 2>&1 > /proc/sys/kernel/hostname; echo $?; "
            "touch /sys/x 2>&1; echo 1 2>&1 > /proc/sysrq-trigger; echo $?"));
}

TEST_F(ContainerTest, AMaskDoesNotExposeTheHostsNullDevice) {
  const std::string before = must_run({"stat", "-c", "%a %u:%g", "/dev/null"});
  EXPECT_EQ("1\n", must_berth({"run", "--bundle", bundle(shell("chmod 0 /proc/keys 2>/dev/null; echo $?")), "c"}));
  EXPECT_EQ(before, must_run({"stat", "-c", "%a %u:%g", "/dev/null"}));
}

TEST_F(ContainerTest, SysctlsAndDomainNamesAreAsWithRunc) {
  Json spec = shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; hostname");
  spec["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}, {"kernel.msgmax", "16384"}};
  expect_same_view(spec);
}

TEST_F(ContainerTest, InheritedDescriptorsAreAsWithRunc) {
  expect_same_view(shell("ls /proc/self/fd | wc -l; ls -l /proc/self/fd/3 2>&1 | wc -l"));
}

TEST_F(ContainerTest, ExitStatusIsTheProcesss) {
  EXPECT_EQ(7, berth({"run", "--bundle", bundle(shell("exit 7")), "c"}).exit_status);
  EXPECT_EQ(128 + SIGTERM,
            berth({"run", "--bundle", bundle(shell("trap 'exit 143' TERM; kill $$; sleep 1")), "c"}).exit_status);
  run_both(bundle(shell("exit 42")));
}

TEST_F(ContainerTest, AUserNamespaceMapsIds) {
  Json spec = shell("id -u; cat /proc/self/uid_map; touch /tmp/x && stat -c %u /tmp/x");
  spec["linux"]["namespaces"].push_back({{"type", "user"}});
  spec["linux"]["uidMappings"] = Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
  spec["linux"]["gidMappings"] = spec["linux"]["uidMappings"];
  const std::string path = bundle(spec);
  must_run({"chown", "-R", "100000:100000", path + "/rootfs"});
  const auto result = berth({"run", "--bundle", path, "c"});
  EXPECT_EQ(0, result.exit_status) << result.error;
  EXPECT_THAT(result.output, AllOf(HasSubstr("0\n"), HasSubstr("100000"), HasSubstr("65536")));
}

TEST_F(ContainerTest, TimeAndCgroupNamespacesAreMade) {
  Json spec = shell("cut -d. -f1 /proc/uptime; readlink /proc/self/ns/cgroup");
  spec["linux"]["namespaces"].push_back({{"type", "time"}});
  spec["linux"]["namespaces"].push_back({{"type", "cgroup"}});
  spec["linux"]["timeOffsets"] = {{"boottime", {{"secs", 5000000}, {"nanosecs", 0}}}};
  const auto result = berth({"run", "--bundle", bundle(spec), "c"});
  ASSERT_EQ(0, result.exit_status) << result.error;
  EXPECT_GE(std::stol(result.output), 5000000);
  EXPECT_THAT(result.output, Not(HasSubstr(std::filesystem::read_symlink("/proc/self/ns/cgroup").string())));
}

TEST_F(ContainerTest, NamespacesAreJoinedByPath) {
  NamedNetNs network("joined");
  must_run({"ip", "-n", "joined", "link", "add", "here0", "type", "bridge"});
  Json spec = shell("cat /proc/net/dev");
  for (auto& ns : spec["linux"]["namespaces"]) {
    if (ns["type"] == "network") ns["path"] = network.path();
  }
  EXPECT_THAT(must_berth({"run", "--bundle", bundle(spec), "c"}), HasSubstr("here0"));
  for (auto& ns : spec["linux"]["namespaces"]) {
    if (ns["type"] == "network") ns["path"] = "/proc/self/ns/uts";
  }
  expect_failure(spec, "/proc/self/ns/uts");
}

TEST_F(ContainerTest, ErrorsAreThoseThatClientsMatch) {
  expect_failure(spec_of({"nope"}), "exec: \\\"nope\\\": executable file not found in $PATH");
  expect_failure(spec_of({"/nope"}), "stat /nope: no such file or directory");
  expect_failure(spec_of({"/etc"}), "exec: \\\"/etc\\\": is a directory: permission denied");
  expect_failure(spec_of({"/etc/passwd"}), "exec: \\\"/etc/passwd\\\": permission denied");
  Json mount = spec_of({"true"});
  mount["mounts"].push_back(
      {{"destination", "/x"}, {"type", "bind"}, {"source", "/does/not/exist"}, {"options", {"bind"}}});
  expect_failure(mount, "error mounting \\\"/does/not/exist\\\" to rootfs at \\\"/x\\\"");
  Json below_proc = spec_of({"true"});
  below_proc["mounts"].push_back({{"destination", "/proc/self"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  expect_failure(below_proc, "is inside /proc");
  Json device = spec_of({"true"});
  device["mounts"].push_back({{"destination", "/y"}, {"type", "nosuchfs"}, {"source", "x"}});
  expect_failure(device, "nosuchfs");
}

TEST_F(ContainerTest, AnIdThatIsInUseIsRefusedAndTheFirstLives) {
  const std::string path = bundle(spec_of({"sleep", "100"}));
  must_berth({"run", "--detach", "--bundle", path, "c"});
  const auto second = berth({"create", "--bundle", path, "c"});
  EXPECT_EQ(1, second.exit_status);
  EXPECT_THAT(second.error, HasSubstr("container with given ID already exists"));
  EXPECT_EQ("running", Json::parse(must_berth({"state", "c"}))["status"]);
  must_berth({"delete", "--force", "c"});
}

TEST_F(ContainerTest, TheLifeCycleGoesFromCreatedToDeleted) {
  const std::string path = bundle(spec_of({"sleep", "100"}));
  const std::string before = host_state();
  must_berth({"create", "--bundle", path, "--pid-file", scratch() + "/pid", "c"});
  const Json created = Json::parse(must_berth({"state", "c"}));
  EXPECT_EQ("created", created["status"]);
  EXPECT_EQ(base::read_file(scratch() + "/pid"), std::to_string(created["pid"].get<int>()));
  EXPECT_THAT(berth({"exec", "c", "true"}).exit_status, 0);
  must_berth({"start", "c"});
  EXPECT_EQ("running", Json::parse(must_berth({"state", "c"}))["status"]);
  EXPECT_THAT(berth({"start", "c"}).error, HasSubstr("cannot start an already running container"));
  EXPECT_THAT(berth({"delete", "c"}).error, HasSubstr("that is not stopped: running"));
  must_berth({"kill", "c", "KILL"});
  for (int i = 0; i < 200 && Json::parse(must_berth({"state", "c"}))["status"] != "stopped"; ++i) ::usleep(10000);
  EXPECT_THAT(berth({"kill", "c"}).error, HasSubstr("container not running"));
  EXPECT_THAT(berth({"exec", "c", "true"}).error, HasSubstr("cannot exec in a stopped container"));
  EXPECT_THAT(berth({"start", "c"}).error, HasSubstr("cannot start a container that has stopped"));
  must_berth({"delete", "c"});
  EXPECT_THAT(berth({"state", "c"}).error, HasSubstr("container does not exist"));
  EXPECT_EQ(0, berth({"delete", "--force", "c"}).exit_status);
  EXPECT_EQ(before, host_state());
  EXPECT_THAT(cgroups_of("c"), Not(::testing::Contains(::testing::EndsWith("/c"))));
}

TEST_F(ContainerTest, ExecRunsInTheContainer) {
  must_berth({"run", "--detach", "--bundle", bundle(spec_of({"sleep", "100"})), "c"});
  EXPECT_THAT(must_berth({"exec", "c", "ps"}), HasSubstr("sleep 100"));
  EXPECT_EQ("box\n", must_berth({"exec", "c", "hostname"}));
  EXPECT_EQ("/tmp\nblue\n",
            must_berth({"exec", "--cwd", "/tmp", "--env", "COLOUR=blue", "c", "sh", "-c", "pwd; echo $COLOUR"}));
  EXPECT_EQ("1000\n", must_berth({"exec", "--user", "1000:1000", "c", "id", "-u"}));
  EXPECT_EQ(9, berth({"exec", "c", "sh", "-c", "exit 9"}).exit_status);
  EXPECT_EQ(255, berth({"exec", "c", "nope"}).exit_status);
  EXPECT_THAT(berth({"exec", "c", "nope"}).error, HasSubstr("executable file not found in $PATH"));
  EXPECT_THAT(must_berth({"exec", "c", "grep", "CapInh", "/proc/self/status"}), HasSubstr("0000000000000000"));
  must_berth({"delete", "--force", "c"});
}

TEST_F(ContainerTest, SharedHostPidsAreAllKilled) {
  Json spec = shell("sleep 100 & sleep 100");
  Json namespaces = Json::array();
  for (const auto& ns : spec["linux"]["namespaces"]) {
    if (ns["type"] != "pid") namespaces.push_back(ns);
  }
  spec["linux"]["namespaces"] = namespaces;
  must_berth({"run", "--detach", "--bundle", bundle(spec), "hostpids"});
  must_berth({"delete", "--force", "hostpids"});
  EXPECT_THAT(cgroups_of("hostpids"), IsEmpty()) << "processes were left";
}

TEST_F(ContainerTest, SymbolicLinksInTheImageLeadNowhere) {
  const std::string path = bundle(spec_of({"true"}));
  write("target/keep", "");
  for (const char* name : {"dev", "proc", "sys"}) {
    const std::string in_image = path + "/rootfs/" + name;
    must_run({"rm", "-rf", in_image});
    must_run({"ln", "-s", scratch() + "/target", in_image});
    const auto result = berth({"run", "--bundle", path, "c"});
    EXPECT_THAT(must_run({"ls", scratch() + "/target"}), ::testing::StrEq("keep\n")) << name;
    if (std::string(name) != "dev") {
      EXPECT_NE(0, result.exit_status) << name;
    }
    must_run({"rm", in_image});
    must_run({"mkdir", in_image});
  }
}

TEST_F(ContainerTest, MountTargetsThatAreSwappedWhileTheyAreMountedStayInside) {
  // A process that shares the root file system exchanges a directory with a link to the host as fast as it can.
  Json spec = spec_of({"true"});
  spec["mounts"].push_back({{"destination", "/victim/inner"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
  const std::string path = bundle(spec);
  write("host/keep", "");
  base::make_directories(path + "/rootfs/victim", 0755);
  must_run({"ln", "-s", scratch() + "/host", path + "/rootfs/link"});
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    while (!stop)
      ::renameat2(AT_FDCWD, (path + "/rootfs/victim").c_str(), AT_FDCWD, (path + "/rootfs/link").c_str(),
                  RENAME_EXCHANGE);
  });
  for (int i = 0; i < 30; ++i) berth({"run", "--bundle", path, "racer"});
  stop = true;
  swapper.join();
  EXPECT_EQ("keep\n", must_run({"ls", scratch() + "/host"})) << "something was made on the host";
}

TEST_F(ContainerTest, AWorkingDirectoryOutsideTheRootIsRefused) {
  for (int fd = 3; fd < 12; ++fd) {
    Json spec = shell("ls ../../..");
    spec["process"]["cwd"] = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_NE(0, berth({"run", "--bundle", bundle(spec), "c"}).exit_status) << fd;
  }
}

TEST_F(ContainerTest, TheRuntimesOwnExecutableCannotBeWrittenFromInside) {
  // The interpreter /proc/self/exe is the runtime itself at the moment of exec (CVE-2019-5736).
  Json spec = spec_of({"/script"});
  const std::string path = bundle(spec);
  base::write_file_atomic(path + "/rootfs/script", "#!/proc/self/exe\n", 0755);
  const std::string before = must_run({"sha256sum", built("berth")});
  berth({"run", "--bundle", path, "c"});
  EXPECT_EQ(before, must_run({"sha256sum", built("berth")}));
  // What a process of a container would find there: a file on a read-only mount.
  must_berth({"create", "--bundle", bundle(spec_of({"true"})), "parked"});
  const int pid = Json::parse(must_berth({"state", "parked"}))["pid"].get<int>();
  const std::string exe = "/proc/" + std::to_string(pid) + "/exe";
  EXPECT_THAT(run({"sh", "-c", "echo overwritten > " + exe}).error,
              AnyOf(HasSubstr("Read-only"), HasSubstr("read-only")));
  must_berth({"delete", "--force", "parked"});
}

TEST_F(ContainerTest, AKilledCreateIsCleanedUpByDeleteForce) {
  Json spec = spec_of({"true"});
  write("slow", "#!/bin/sh\ntouch " + scratch() + "/hook-runs\nsleep 60\n");
  must_run({"chmod", "755", scratch() + "/slow"});
  spec["hooks"]["createRuntime"] = Json::array({{{"path", scratch() + "/slow"}}});
  const std::string path = bundle(spec);
  const std::string before = host_state();
  {
    Background create({built("berth"), "--root", "/run/berth", "create", "--bundle", path, "killed"});
    for (int i = 0; i < 500 && ::access((scratch() + "/hook-runs").c_str(), F_OK) != 0; ++i) ::usleep(10000);
  }
  must_berth({"delete", "--force", "killed"});
  EXPECT_EQ(before, host_state());
  EXPECT_THAT(cgroups_of("killed"), IsEmpty());
}

TEST_F(ContainerTest, AFailedHookRunsPoststopAndLeavesNothing) {
  Json spec = spec_of({"true"});
  write("fail", "#!/bin/sh\necho the reason >&2\nexit 3\n");
  write("after", "#!/bin/sh\ncat > " + scratch() + "/poststop-state\n");
  must_run({"chmod", "755", scratch() + "/fail", scratch() + "/after"});
  spec["hooks"]["createRuntime"] = Json::array({{{"path", scratch() + "/fail"}}});
  spec["hooks"]["poststop"] = Json::array({{{"path", scratch() + "/after"}}});
  const std::string path = bundle(spec);
  const std::string before = host_state();
  const auto result = berth({"create", "--bundle", path, "c"});
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, AllOf(HasSubstr("error running createRuntime hook #0"), HasSubstr("exit status 3"),
                                  HasSubstr("the reason")));
  EXPECT_EQ("stopped", Json::parse(base::read_file(scratch() + "/poststop-state"))["status"]);
  EXPECT_EQ(before, host_state());
}

TEST_F(ContainerTest, ManyContainersComeAndGoAtOnce) {
  const std::string path = bundle(spec_of({"true"}));
  const std::string before = host_state();
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      if (!berth({"run", "--bundle", path, "many" + std::to_string(i)}).ok()) ++failures;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(0, failures);
  EXPECT_EQ(before, host_state());
  EXPECT_THAT(cgroups_of("many"), IsEmpty());
}

}  // namespace
}  // namespace berth::test
