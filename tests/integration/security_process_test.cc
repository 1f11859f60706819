// What a process of a container gets of its runtime, and what it can do to it. docs/security.md lists which attack is
// which.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using base::Json;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SecurityProcessTest : public ContainerSandbox {
 protected:
  static void grant(Json& spec, const std::vector<std::string>& names) {
    for (auto& set : spec["process"]["capabilities"]) {
      for (const auto& name : names) set.push_back(name);
    }
  }

  static void add_user_namespace(Json& spec) {
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    const Json map = Json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
    spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = map;
  }
};

TEST_F(SecurityProcessTest, TheDescriptorsOfAJoiningProcessCannotBeListedEvenWithTheRightToTrace) {
  // In a user namespace of its own a container may have every capability.
  const std::string path = bundle(
      {"sh", "-c",
       "touch /ready; while :; do for p in /proc/[0-9]*; do case \"$(readlink $p/exe)\" in *berth*) ls -l $p/fd >> "
       "/seen;; "
       "'') [ -e $p/exe ] || [ -L $p/exe ] && echo $p >> /refused;; esac; done; done 2>/dev/null"},
      [](Json& spec) {
        add_user_namespace(spec);
        grant(spec, {"CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"});
      },
      "watcher");
  must_berth({"run", "--detach", "--bundle", path, "watcher"});
  ASSERT_TRUE(eventually([&] { return exists(path + "/rootfs/ready"); }));
  for (int i = 0; i < 60; ++i) must_berth({"exec", "watcher", "true"});
  must_berth({"delete", "--force", "watcher"});
  EXPECT_FALSE(exists(path + "/rootfs/seen")) << base::read_file(path + "/rootfs/seen");
  EXPECT_TRUE(exists(path + "/rootfs/refused")) << "the watcher met nobody: nothing was tested";
}

TEST_F(SecurityProcessTest, TheRuntimesExecutableSurvivesAContainerThatIsMadeOfIt) {
  const std::string before = must_run({"sha256sum", built("berth")});
  const std::string path = bundle(
      {"sh", "-c", "touch /ready; while :; do for p in /proc/[0-9]*; do echo x > $p/exe; done; done 2>/dev/null"},
      [](Json& spec) {
        grant(spec, {"CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"});
      },
      "writer");
  must_berth({"run", "--detach", "--bundle", path, "writer"});
  ASSERT_TRUE(eventually([&] { return exists(path + "/rootfs/ready"); }));
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(berth({"exec", "writer", "/proc/self/exe", "--version"}).output, HasSubstr("berth"));
  }
  must_berth({"delete", "--force", "writer"});
  EXPECT_EQ(before, must_run({"sha256sum", built("berth")}));

  // Kept open while it runs, and opened again for writing when it does not.
  const std::string keeper =
      shell_bundle("/proc/self/exe true; exec 3< /proc/1/exe; ( echo x > /proc/self/fd/3 ) 2>/dev/null; exit 0",
                   [](Json& spec) { grant(spec, {"CAP_DAC_OVERRIDE"}); });
  must_berth({"run", "--bundle", keeper, "keeper"});
  const auto itself = berth({"run", "--bundle", bundle({"/proc/self/exe", "--version"}), "itself"});
  EXPECT_THAT(itself.output, HasSubstr("berth"));
  EXPECT_EQ(before, must_run({"sha256sum", built("berth")}));
}

/// Opening it for writing would tell only while nobody else executes the file (ETXTBSY).
bool is_on_read_only_mount(const base::Fd& file) {
  struct statvfs info {};
  return ::fstatvfs(file.get(), &info) == 0 && (info.f_flag & ST_RDONLY) != 0;
}

TEST_F(SecurityProcessTest, TheRuntimeRunsFromWhereNobodyCanWrite) {
  must_berth({"create", "--bundle", bundle({"true"}), "parked"});
  const base::Fd exe = base::open_file("/proc/" + std::to_string(pid_of("parked")) + "/exe", O_RDONLY);
  must_berth({"delete", "--force", "parked"});
  EXPECT_TRUE(is_on_read_only_mount(exe));
  // The variable that carries the name over the exec is no way to leave this out.
  RunOptions options;
  options.env = {{"_BERTH_EXECUTABLE", "/nowhere"}};
  must_run(berth_command({"create", "--bundle", bundle({"true"}), "told"}), options);
  const base::Fd again = base::open_file("/proc/" + std::to_string(pid_of("told")) + "/exe", O_RDONLY);
  must_berth({"delete", "--force", "told"});
  EXPECT_TRUE(is_on_read_only_mount(again));
}

TEST_F(SecurityProcessTest, WhoCannotMakeMountsRunsFromASealedCopyInMemory) {
  // A configuration that nobody writes holds the runtime up where we can look at it.
  const std::string path = scratch() + "/held";
  base::make_directories(path, 0755);
  ASSERT_EQ(0, ::chmod(scratch().c_str(), 0755));
  ASSERT_EQ(0, ::mkfifo((path + "/config.json").c_str(), 0644));
  auto command = berth_command({"create", "--bundle", path, "held"});
  command.insert(command.begin(), {system_program("setpriv"), "--reuid", "1000", "--regid", "1000", "--clear-groups"});
  const Child create(command);
  const std::string exe = "/proc/" + std::to_string(create.pid()) + "/exe";
  const auto is_copy = [&] {
    std::error_code gone;
    return fs::read_symlink(exe, gone).string().starts_with("/memfd:berth");
  };
  ASSERT_TRUE(eventually(is_copy));
  const base::Fd copy = base::open_file(exe, O_RDONLY);
  constexpr int kSeals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  EXPECT_EQ(kSeals, ::fcntl(copy.get(), F_GET_SEALS) & kSeals);
}

TEST_F(SecurityProcessTest, NoDescriptorOfTheHostIsAWorkingDirectory) {
  // One that the caller has leaked, beside whatever the runtime holds.
  const base::Fd leaked = base::open_file("/", O_PATH | O_DIRECTORY);
  ASSERT_EQ(0, ::fcntl(leaked.get(), F_SETFD, 0));
  ASSERT_LE(leaked.get(), 20);
  run_sleeper("sleeper");
  const std::string image = scratch() + "/sleeper/rootfs";
  fs::create_symlink("/proc/self/fd/" + std::to_string(leaked.get()), image + "/door");
  for (int fd = 3; fd <= 20; ++fd) {
    const std::string cwd = "/proc/self/fd/" + std::to_string(fd);
    const auto joined = berth({"exec", "--cwd", cwd, "sleeper", "pwd"});
    EXPECT_EQ(255, joined.exit_status) << cwd;
    EXPECT_EQ("", joined.output) << cwd;
    for (const auto& place : {cwd, cwd + "/tmp", std::string("/dev/fd/") + std::to_string(fd)}) {
      const auto result =
          berth({"run", "--bundle", bundle({"pwd"}, [&](Json& spec) { spec["process"]["cwd"] = place; }), "c"});
      EXPECT_EQ(1, result.exit_status) << place;
      EXPECT_EQ("", result.output) << place;
    }
  }
  EXPECT_EQ(255, berth({"exec", "--cwd", "/door", "sleeper", "pwd"}).exit_status);
  must_berth({"delete", "--force", "sleeper"});
}

TEST_F(SecurityProcessTest, InheritableCapabilitiesAreThoseOfTheConfigurationOnly) {
  const auto inheritable = [](const std::string& status) { return status.substr(status.find("CapInh:") + 8, 16); };
  const std::string none = "0000000000000000";
  run_sleeper("sleeper");
  const std::vector<std::string> status{"sleeper", "cat", "/proc/self/status"};
  for (const std::vector<std::string>& flags : {std::vector<std::string>{},
                                                {"--cap", "CAP_NET_RAW"},
                                                {"--cap", "all"},
                                                {"--cap", "CAP_CHOWN", "--user", "1000"}}) {
    std::vector<std::string> words{"exec"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), status.begin(), status.end());
    const auto result = berth(words);
    if (result.ok()) {
      EXPECT_EQ(none, inheritable(result.output)) << result.output;
    }
  }
  must_berth({"delete", "--force", "sleeper"});
  for (const int uid : {0, 1000}) {
    const auto said = must_berth(
        {"run", "--bundle",
         bundle({"cat", "/proc/self/status"}, [&](Json& spec) { spec["process"]["user"]["uid"] = uid; }), "c"});
    EXPECT_EQ(none, inheritable(said));
  }
}

TEST_F(SecurityProcessTest, UsersThatAreNoNumbersAreRefusedAndNobodyBecomesRootByThat) {
  run_sleeper("sleeper");
  for (const char* user : {"1:", ":", ":1", "1x", "-1", "+1", " 1", "1 ", "0x1", "1:-1", "1:1:1", "", "root",
                           "4294967295", "4294967296", "18446744073709551616", "1:4294967295"}) {
    const auto result = berth({"exec", "--user", user, "sleeper", "id", "-u"});
    if (*user == '\0') {
      EXPECT_EQ("0\n", result.output) << "an empty --user asks for nothing, as with runc";
      continue;
    }
    EXPECT_EQ(255, result.exit_status) << user;
    EXPECT_EQ("", result.output) << user;
    EXPECT_THAT(result.error, HasSubstr("is not a number from 0 to 4294967294")) << user;
  }
  EXPECT_EQ("1000\n", must_berth({"exec", "--user", "1000:1000", "sleeper", "id", "-u"}));
  must_berth({"delete", "--force", "sleeper"});
  const auto result =
      berth({"run", "--bundle", bundle({"id"}, [](Json& spec) { spec["process"]["user"]["uid"] = 4294967295U; }), "c"});
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("process.user.uid"));
}

TEST_F(SecurityProcessTest, SubgroupsStayBelowTheContainersCgroup) {
  run_sleeper("sleeper");
  for (const char* path : {"..", "../..", "a/../../..", "/../..", "./../.", "../sibling"}) {
    const auto refused = berth({"exec", "--cgroup", path, "sleeper", "true"});
    EXPECT_EQ(255, refused.exit_status) << path;
    EXPECT_THAT(refused.error, HasSubstr("is not a sub cgroup path")) << path;
  }
  const std::string own = must_berth({"exec", "sleeper", "cat", "/proc/self/cgroup"});
  EXPECT_EQ(own, must_berth({"exec", "--cgroup", "a/..", "sleeper", "cat", "/proc/self/cgroup"}));
  must_berth({"delete", "--force", "sleeper"});
  const std::string climbing = bundle({"cat", "/proc/self/cgroup"}, [](Json& spec) {
    spec["linux"]["cgroupsPath"] = "/berth-security-test/../../../../climber";
  });
  EXPECT_THAT(must_berth({"run", "--bundle", climbing, "climber"}), Not(HasSubstr("..")));
}

TEST_F(SecurityProcessTest, HooksGetNoDescriptorsAndContainersHooksNoneOfTheRuntimesEnvironment) {
  const base::Fd leaked = base::open_file("/", O_PATH | O_DIRECTORY);
  ASSERT_EQ(0, ::fcntl(leaked.get(), F_SETFD, 0));
  const std::string notes = scratch() + "/notes";
  base::make_directories(notes, 0777);
  const auto noting = [](const std::string& directory) {
    return "(env; echo fds: $(ls /proc/self/fd | wc -l)) > " + directory + "/$OCI_HOOK_STAGE";
  };
  const std::string path = bundle({"true"}, [&](Json& spec) {
    spec["mounts"].push_back({{"destination", "/notes"}, {"type", "bind"}, {"source", notes}, {"options", {"bind"}}});
    for (const char* stage :
         {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}) {
      const std::string where = std::string(stage) == "startContainer" ? "/notes" : notes;
      spec["hooks"][stage] = Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", noting(where)}}}});
    }
    // A hook's shell must find its programs.
    for (const char* stage : {"createContainer"}) spec["hooks"][stage][0]["env"] = {"PATH=/usr/bin:/bin"};
  });
  RunOptions options;
  options.env = {{"SECRET", "of-the-caller"}};
  must_run(berth_command({"run", "--bundle", path, "c"}), options);
  for (const char* stage :
       {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}) {
    const std::string said = base::read_file(notes + "/" + stage);
    // Its three, the directory that ls reads, and the pipe of $(…) is one of the three.
    EXPECT_THAT(said, HasSubstr("fds: 4\n")) << stage << "\n" << said;
    EXPECT_THAT(said, Not(HasSubstr("_BERTH"))) << stage;
    if (std::string(stage).ends_with("Container")) {
      EXPECT_THAT(said, Not(HasSubstr("SECRET"))) << stage;
    }
  }
}

TEST_F(SecurityProcessTest, ARuntimeWithMoreRightsThanItsCallerRefusesToRun) {
  const std::string copy = scratch() + "/privileged";
  fs::copy_file(built("berth"), copy);
  ASSERT_EQ(0, ::chmod(copy.c_str(), 04755));
  ASSERT_EQ(0, ::chmod(scratch().c_str(), 0755));
  // `run`, too, which executes itself from a read-only mount first.
  for (const char* command : {"list", "run"}) {
    const auto result =
        run({system_program("setpriv"), "--reuid", "1000", "--regid", "1000", "--clear-groups", copy, command});
    EXPECT_EQ(1, result.exit_status) << command;
    EXPECT_THAT(result.error, HasSubstr("berth must not be set-user-id")) << command;
  }
}

TEST_F(SecurityProcessTest, AContainerMayBeCalledLikeACommandThatEntersOne) {
  run_sleeper("exec");
  EXPECT_THAT(must_berth({"state", "exec"}), HasSubstr("\"running\""));
  must_berth({"exec", "exec", "true"});
  must_berth({"delete", "--force", "exec"});
  EXPECT_FALSE(berth({"state", "exec"}).ok());
}

TEST_F(SecurityProcessTest, TheCallersEnvironmentChangesNothingInTheRuntime) {
  const std::string fake = write("bin/ps", "#!/bin/sh\necho PID; echo fake; touch " + scratch() + "/ran\n");
  ASSERT_EQ(0, ::chmod(fake.c_str(), 0755));
  run_sleeper("sleeper");
  RunOptions options;
  options.env = {{"LD_PRELOAD", "/nowhere/evil.so"},
                 {"LD_LIBRARY_PATH", scratch()},
                 {"LC_ALL", "xx_XX.UTF-8"},
                 {"PATH", scratch() + "/bin:/usr/bin:/bin"}};
  const auto state = run(berth_command({"state", "sleeper"}), options);
  EXPECT_EQ("", state.error);
  EXPECT_TRUE(state.ok());
  run(berth_command({"ps", "sleeper"}), options);
  EXPECT_FALSE(exists(scratch() + "/ran")) << "another ps than the system's";
  const auto env = run(berth_command({"exec", "sleeper", "env"}), options);
  EXPECT_THAT(env.output, Not(HasSubstr("LD_PRELOAD")));
  must_berth({"delete", "--force", "sleeper"});
}

}  // namespace
}  // namespace berth::test
