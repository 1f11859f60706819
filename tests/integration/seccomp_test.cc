// Seccomp as a container sees it, beside Debian's runc where both can say something.

#include <gmock/gmock.h>
#include <sys/syscall.h>

#include <cerrno>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"
#include "support/sanitizer.h"
#include "support/seccomp.h"
#include "support/syscall_program.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kKilledBySigsys = 128 + 31;
constexpr uint32_t kX32 = 0x40000000;
constexpr uint32_t kMkdirOfI386 = 39;
constexpr uint32_t kGetpidOfI386 = 20;

Json rule(const std::vector<std::string>& names, const char* action) {
  return {{"names", names}, {"action", action}};
}

/// Everything is allowed but for the rules.
Json all_but(Json rules) {
  return {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", std::move(rules)}};
}

Json errno_rule(const char* name, int number) {
  auto result = rule({name}, "SCMP_ACT_ERRNO");
  result["errnoRet"] = number;
  return result;
}

class SeccompTest : public ContainerSandbox {
 protected:
  void SetUp() override {
#ifndef __x86_64__
    GTEST_SKIP() << "the programs that make the calls are x86_64 code";
#endif
    ContainerSandbox::SetUp();
  }

  static Edit with(Json profile, bool no_new_privileges = true) {
    return [=](Json& spec) {
      spec["linux"]["seccomp"] = profile;
      spec["process"]["noNewPrivileges"] = no_new_privileges;
    };
  }

  /// A bundle whose program makes one system call and exits with its error number.
  std::string call_bundle(const SyscallProgram& program, const Edit& edit) const {
    const auto directory = bundle({"/call"}, edit);
    program.write(directory + "/rootfs/call");
    return directory;
  }

  static base::CommandResult runc(const std::vector<std::string>& words) {
    std::vector<std::string> command{"runc", "--root", "/run/runc"};
    command.insert(command.end(), words.begin(), words.end());
    return run(command);
  }

  /// The exit status of the program under the profile; runc's must be the same.
  int status_of_call(const SyscallProgram& program, const Json& profile, bool no_new_privileges = true) const {
    const auto directory = call_bundle(program, with(profile, no_new_privileges));
    const auto ours = berth({"run", "--bundle", directory, "ours"});
    EXPECT_EQ("", ours.error);
    if (!system_program("runc").empty()) {
      const auto theirs = runc({"run", "--bundle", directory, "theirs"});
      EXPECT_EQ(theirs.exit_status, ours.exit_status) << theirs.error;
    }
    return ours.exit_status.value_or(-1);
  }

  /// What the program prints under both runtimes.
  std::string output_of_both(const std::string& directory) const {
    const auto ours = must_berth({"run", "--bundle", directory, "ours"});
    if (!system_program("runc").empty()) {
      EXPECT_EQ(runc({"run", "--bundle", directory, "theirs"}).output, ours);
    }
    return ours;
  }
};

const SyscallProgram kMkdir{SYS_mkdir, {}, false};  // mkdir(NULL): EFAULT if it gets to the kernel

TEST_F(SeccompTest, ABlockedCallFailsWithTheErrorOfItsRule) {
  EXPECT_EQ(EFAULT, status_of_call(kMkdir, all_but(Json::array())));
  EXPECT_EQ(EPERM, status_of_call(kMkdir, all_but({rule({"mkdir"}, "SCMP_ACT_ERRNO")})));
  EXPECT_EQ(EDOM, status_of_call(kMkdir, all_but({errno_rule("mkdir", EDOM)})));
  EXPECT_EQ(EFAULT, status_of_call(kMkdir, all_but({rule({"mkdir"}, "SCMP_ACT_LOG")})));
  EXPECT_EQ(ENOSYS, status_of_call(kMkdir, all_but({rule({"mkdir"}, "SCMP_ACT_TRACE")}))) << "there is no tracer";
}

TEST_F(SeccompTest, AForbiddenCallKills) {
  for (const char* action : {"SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"}) {
    EXPECT_EQ(kKilledBySigsys, status_of_call(kMkdir, all_but({rule({"mkdir"}, action)}))) << action;
  }
}

TEST_F(SeccompTest, ArgumentsDecide) {
  auto socket = rule({"socket"}, "SCMP_ACT_ERRNO");
  socket["args"] = Json::array(
      {{{"index", 0}, {"op", "SCMP_CMP_EQ"}, {"value", 16}}, {{"index", 2}, {"op", "SCMP_CMP_GE"}, {"value", 9}}});
  const auto profile = all_but({socket});
  EXPECT_EQ(EPERM, status_of_call({SYS_socket, {16, 3, 9}}, profile));
  EXPECT_EQ(0, status_of_call({SYS_socket, {16, 3, 0}}, profile));
  EXPECT_EQ(0, status_of_call({SYS_socket, {1, 1, 0}}, profile));
}

TEST_F(SeccompTest, CallsNewerThanTheProfileDoNotExist) {
  auto profile = docker_profile();
  // Both runtimes' own calls, with and without no_new_privs.
  profile["syscalls"].push_back(rule({"capset", "capget", "fstatfs"}, "SCMP_ACT_ALLOW"));
  EXPECT_EQ(EPERM, status_of_call(kMkdir, [&] {
              auto without = profile;
              auto& names = without["syscalls"][0]["names"];
              names.erase(std::find(names.begin(), names.end(), "mkdir"));
              return without;
            }()));
  EXPECT_EQ(EFAULT, status_of_call(kMkdir, profile));
  EXPECT_EQ(ENOSYS, status_of_call({999, {}}, profile));
}

TEST_F(SeccompTest, CallsOfArchitecturesThatAreNotListedKill) {
  const auto profile = all_but({rule({"reboot"}, "SCMP_ACT_ERRNO")});
  EXPECT_EQ(kKilledBySigsys, status_of_call({kGetpidOfI386, {}, true}, profile));
  EXPECT_EQ(kKilledBySigsys, status_of_call({kX32 + SYS_getpid, {}}, profile));
  EXPECT_EQ(0, status_of_call({SYS_getpid, {}}, profile));
}

TEST_F(SeccompTest, CallsOfListedArchitecturesAreFilteredByTheirOwnNumbers) {
  auto profile = all_but({rule({"mkdir"}, "SCMP_ACT_ERRNO")});
  profile["architectures"] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  EXPECT_EQ(0, status_of_call({kGetpidOfI386, {}, true}, profile));
  EXPECT_EQ(EPERM, status_of_call({kMkdirOfI386, {}, true}, profile));
  EXPECT_EQ(EPERM, status_of_call({kX32 + SYS_mkdir, {}}, profile));
  EXPECT_EQ(EPERM, status_of_call(kMkdir, profile));
}

TEST_F(SeccompTest, TheProcessIsUnderOneFilterWithThePrivilegesOfItsConfiguration) {
  const auto profile = all_but({rule({"reboot"}, "SCMP_ACT_ERRNO")});
  for (const bool no_new_privileges : {true, false}) {
    for (const int user : {0, 1000}) {
      const auto directory = shell_bundle("grep -E '^(Seccomp|NoNewPrivs|Cap|Uid)' /proc/self/status", [&](Json& spec) {
        with(profile, no_new_privileges)(spec);
        spec["process"]["user"]["uid"] = user;
      });
      const auto status = output_of_both(directory);
      EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n"));
      EXPECT_THAT(status, HasSubstr("Seccomp_filters:\t1\n"));
      EXPECT_THAT(status, HasSubstr(no_new_privileges ? "NoNewPrivs:\t1\n" : "NoNewPrivs:\t0\n"));
      EXPECT_THAT(status, HasSubstr("CapBnd:\t0000000020000420\n"));
      EXPECT_THAT(status, HasSubstr(user == 0 ? "CapPrm:\t0000000020000420\n" : "CapPrm:\t0000000000000000\n"));
    }
  }
}

TEST_F(SeccompTest, ACapabilityThatLoadingNeedsIsKeptWhereItIsGranted) {
  const auto directory = shell_bundle("grep ^Cap /proc/self/status", [](Json& spec) {
    with(all_but({rule({"reboot"}, "SCMP_ACT_ERRNO")}), false)(spec);
    const auto capabilities = Json::array({"CAP_SYS_ADMIN", "CAP_KILL"});
    for (const char* set : {"bounding", "permitted", "inheritable", "ambient"}) {
      spec["process"]["capabilities"][set] = capabilities;
    }
    spec["process"]["capabilities"]["effective"] = {"CAP_KILL"};
    spec["process"]["user"]["uid"] = 1000;
  });
  EXPECT_THAT(output_of_both(directory), HasSubstr("CapPrm:\t0000000000200020\n"));
}

TEST_F(SeccompTest, NoProfileMeansNoFilter) {
  for (const auto& profile : {Json::object(), Json(nullptr)}) {
    const auto directory = shell_bundle("grep ^Seccomp /proc/self/status", with(profile));
    EXPECT_EQ("Seccomp:\t0\nSeccomp_filters:\t0\n", output_of_both(directory));
  }
}

TEST_F(SeccompTest, TheRuntimeNeedsHardlyAnythingOfAProfile) {
  if (are_sanitized()) GTEST_SKIP() << "a sanitizer makes system calls of its own (sigaltstack)";
  const SyscallProgram exit{SYS_exit, {7, 0, 0}};
  for (const bool no_new_privileges : {true, false}) {
    Json names = {"read", "write", "close", "execve", "exit"};
    if (!no_new_privileges) names.push_back("capset");
    const auto directory = call_bundle(exit, with({{"defaultAction", "SCMP_ACT_KILL_PROCESS"},
                                                   {"syscalls", {{{"names", names}, {"action", "SCMP_ACT_ALLOW"}}}}},
                                                  no_new_privileges));
    const auto result = berth({"run", "--bundle", directory, "c"});
    EXPECT_EQ(7, result.exit_status) << result.error;
  }
}

TEST_F(SeccompTest, ExecRunsUnderTheContainersFilter) {
  for (const bool no_new_privileges : {true, false}) {
    run_sleeper("c", with(all_but({errno_rule("mkdir", EDOM)}), no_new_privileges));
    const auto status = must_berth({"exec", "c", "cat", "/proc/self/status"});
    EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n"));
    EXPECT_THAT(status, HasSubstr("Seccomp_filters:\t1\n"));
    EXPECT_THAT(status, HasSubstr("CapPrm:\t0000000020000420\n"));
    kMkdir.write(scratch() + "/c/rootfs/call");
    EXPECT_EQ(EDOM, berth({"exec", "c", "/call"}).exit_status);
    EXPECT_EQ(EDOM, berth({"exec", "--no-new-privs", "c", "/call"}).exit_status);
    EXPECT_EQ(EDOM, berth({"exec", "--user", "1000", "c", "/call"}).exit_status);
    must_berth({"delete", "--force", "c"});
  }
}

TEST_F(SeccompTest, AUserNamespaceIsFilteredToo) {
  const auto directory = shell_bundle("grep ^Seccomp: /proc/self/status", [](Json& spec) {
    with(all_but({rule({"reboot"}, "SCMP_ACT_ERRNO")}), false)(spec);
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* mappings : {"uidMappings", "gidMappings"}) {
      spec["linux"][mappings] = Json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
    }
  });
  EXPECT_EQ("Seccomp:\t2\n", must_berth({"run", "--bundle", directory, "c"}));
}

TEST_F(SeccompTest, FlagsAreTakenAsTheyCome) {
  for (const auto& flags : {Json(nullptr), Json::array(), Json{"SECCOMP_FILTER_FLAG_LOG"},
                            Json{"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
                            Json{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}}) {
    auto profile = all_but({errno_rule("mkdir", EDOM)});
    profile["flags"] = flags;
    const auto result = berth({"run", "--bundle", call_bundle(kMkdir, with(profile)), "c"});
    EXPECT_EQ(EDOM, result.exit_status) << flags.dump() << result.error;
  }
}

TEST_F(SeccompTest, PodmansDefaultProfileRunsAShell) {
  const auto profile = podman_profile();
  if (profile.is_null()) GTEST_SKIP() << "golang-github-containers-common is not installed";
  const auto script =
      "mkdir /a && echo text > /a/b && cat /a/b && unshare -m true 2>&1; mount -t tmpfs x /tmp 2>&1; true";
  for (const bool no_new_privileges : {true, false}) {
    const auto output = must_berth({"run", "--bundle", shell_bundle(script, with(profile, no_new_privileges)), "c"});
    EXPECT_THAT(output, HasSubstr("text\n"));
    EXPECT_THAT(output, HasSubstr("Operation not permitted"));
    must_run({"rm", "-r", scratch() + "/bundle/rootfs/a"});
  }
}

TEST_F(SeccompTest, WhatIsWrongIsNamedAndNothingIsMade) {
  auto contradictory = all_but(Json::array());
  for (const int number : {1, 2}) {
    auto each = errno_rule("mkdir", number);
    each["args"] = Json::array({{{"index", 0}, {"op", "SCMP_CMP_EQ"}, {"value", 1}}});
    contradictory["syscalls"].push_back(each);
  }
  auto other_order = all_but(Json::array());
  other_order["architectures"] = {"SCMP_ARCH_S390X"};
  const std::pair<Json, const char*> cases[] = {
      {{{"defaultAction", "SCMP_ACT_MAYBE"}}, "linux.seccomp.defaultAction: unknown action"},
      {contradictory, "linux.seccomp.syscalls: two rules for"},
      {other_order, "has another byte order than this machine"},
  };
  for (const auto& [profile, message] : cases) {
    const auto result = berth({"run", "--bundle", bundle({"true"}, with(profile)), "refused"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(message));
    EXPECT_FALSE(exists("/run/berth/refused"));
    EXPECT_THAT(cgroups_of("refused"), IsEmpty());
  }
}

}  // namespace
}  // namespace berth::test
