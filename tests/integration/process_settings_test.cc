// What the kernel keeps of a container's processes beside their identity: as /proc shows it, for the first process and
// for those of `exec`.

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ProcessSettingsTest : public ContainerSandbox {
 protected:
  void TearDown() override {
    berth({"delete", "--force", "c"});
    ContainerSandbox::TearDown();
  }

  /// What a script says in a container with this configuration, then in a process of `exec` in such a container.
  void expect_everywhere(const std::string& script, const Edit& edit, const ::testing::Matcher<std::string>& expected) {
    EXPECT_THAT(must_berth({"run", "--bundle", shell_bundle(script, edit), "once"}), expected);
    run_sleeper("c", edit);
    EXPECT_THAT(must_berth({"exec", "c", "sh", "-c", script}), expected) << "exec";
    must_berth({"delete", "--force", "c"});
  }

  void expect_refusal(const Edit& edit, const std::string& text) {
    const auto result = berth({"create", "--bundle", bundle({"true"}, edit, "refused"), "refused"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(text));
    EXPECT_FALSE(exists("/run/berth/refused"));
    EXPECT_THAT(cgroups_of("refused"), ::testing::IsEmpty());
  }

  static std::string cpus_of(pid_t pid) {
    const auto status = base::read_file("/proc/" + std::to_string(pid) + "/status");
    const auto start = status.find("Cpus_allowed_list:\t") + 19;
    return status.substr(start, status.find('\n', start) - start);
  }
};

/// Nice value, real-time priority and policy.
constexpr const char* kScheduler = "cut -d')' -f2 /proc/self/stat | awk '{ print $17, $38, $39 }'";

TEST_F(ProcessSettingsTest, TheSchedulingPolicyIsSet) {
  expect_everywhere(
      kScheduler,
      [](Json& spec) {
        spec["process"]["scheduler"] = {{"policy", "SCHED_BATCH"}, {"nice", 7}};
      },
      "7 0 3\n");
  expect_everywhere(
      kScheduler,
      [](Json& spec) {
        spec["process"]["scheduler"] = {{"policy", "SCHED_IDLE"}};
      },
      "0 0 5\n");
}

TEST_F(ProcessSettingsTest, ARealTimePriorityIsSet) {
  if (exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"))
    GTEST_SKIP() << "this kernel has no real-time scheduling for cgroups without a share of it";
  expect_everywhere(
      kScheduler,
      [](Json& spec) {
        spec["process"]["scheduler"] = {
            {"policy", "SCHED_FIFO"}, {"priority", 5}, {"flags", {"SCHED_FLAG_RESET_ON_FORK"}}};
      },
      // What the shell forks is reset.
      "0 0 0\n");
  expect_everywhere(
      kScheduler,
      [](Json& spec) {
        spec["process"]["scheduler"] = {{"policy", "SCHED_RR"}, {"priority", 9}};
      },
      "0 9 2\n");
}

TEST_F(ProcessSettingsTest, ASchedulerThatTheKernelRefusesIsNamed) {
  const auto result =
      berth({"run", "--bundle",
             shell_bundle("true",
                          [](Json& spec) {
                            spec["process"]["scheduler"] = {
                                {"policy", "SCHED_DEADLINE"}, {"runtime", 100}, {"deadline", 10}, {"period", 10}};
                          }),
             "c"});
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("error setting scheduler (process.scheduler): "));
  EXPECT_FALSE(exists("/run/berth/c"));
}

TEST_F(ProcessSettingsTest, TheIoPriorityIsSet) {
  for (const auto& [name, priority, shown] : {std::tuple{"IOPRIO_CLASS_BE", 6, "best-effort: prio 6\n"},
                                              {"IOPRIO_CLASS_RT", 2, "realtime: prio 2\n"},
                                              {"IOPRIO_CLASS_IDLE", 0, "idle\n"}}) {
    expect_everywhere(
        "ionice",
        [name = name, priority = priority](Json& spec) {
          spec["process"]["ioPriority"] = {{"class", name}, {"priority", priority}};
        },
        shown);
  }
}

TEST_F(ProcessSettingsTest, TheExecutionDomainIsSet) {
  const auto domain = [](const char* name) {
    return [name](Json& spec) { spec["linux"]["personality"] = {{"domain", name}}; };
  };
  expect_everywhere("uname -m", domain("LINUX32"), "i686\n");
  expect_everywhere("uname -m", domain("LINUX"), "x86_64\n");
}

TEST_F(ProcessSettingsTest, FlagsOfAPersonalityAreAWarning) {
  const auto result =
      berth({"run", "--bundle",
             shell_bundle("uname -m",
                          [](Json& spec) {
                            spec["linux"]["personality"] = {{"domain", "LINUX32"}, {"flags", {"ANYTHING"}}};
                          }),
             "c"});
  EXPECT_EQ("i686\n", result.output);
  EXPECT_THAT(result.error, HasSubstr("linux.personality.flags"));
}

TEST_F(ProcessSettingsTest, TheMemoryPolicyIsSet) {
  if (!exists("/proc/self/numa_maps")) GTEST_SKIP() << "this kernel has no NUMA";
  const auto policy = [](const Json& value) { return [value](Json& spec) { spec["linux"]["memoryPolicy"] = value; }; };
  const char* script = "cut -d' ' -f2 /proc/self/numa_maps | sort -u";
  expect_everywhere(script, policy({{"mode", "MPOL_BIND"}, {"nodes", "0"}}), "bind:0\n");
  expect_everywhere(script, policy({{"mode", "MPOL_PREFERRED"}, {"nodes", "0"}, {"flags", {"MPOL_F_STATIC_NODES"}}}),
                    "prefer=static:0\n");
  expect_everywhere(script, policy({{"mode", "MPOL_LOCAL"}}), "local\n");
  expect_everywhere(script, policy({{"mode", "MPOL_DEFAULT"}, {"nodes", ""}}), "default\n");
}

TEST_F(ProcessSettingsTest, MistakesAreNamedBeforeAnythingIsMade) {
  const auto process = [](const char* key, const Json& value) {
    return [key, value](Json& spec) { spec["process"][key] = value; };
  };
  expect_refusal(process("scheduler", {{"policy", "SCHED_FAIR"}}), R"(process.scheduler.policy: unknown policy)");
  expect_refusal(process("ioPriority", {{"class", "IOPRIO_CLASS_BE"}, {"priority", 8}}), "process.ioPriority.priority");
  expect_refusal(process("execCPUAffinity", {{"initial", "0-"}}), "process.execCPUAffinity.initial");
  expect_refusal([](Json& spec) { spec["linux"]["personality"] = {{"domain", "BSD"}}; }, "linux.personality.domain");
  expect_refusal([](Json& spec) { spec["linux"]["memoryPolicy"] = {{"mode", "MPOL_BIND"}}; }, "linux.memoryPolicy");
}

class CpuAffinityTest : public ProcessSettingsTest {
 protected:
  void SetUp() override {
    ProcessSettingsTest::SetUp();
    cpu_set_t cpus;
    ::sched_getaffinity(0, sizeof cpus, &cpus);
    if (CPU_COUNT(&cpus) < 2) GTEST_SKIP() << "there is only one CPU";
    all_ = cpus_of(::getpid());
    for (int cpu = 0; cpu < CPU_SETSIZE && last_.empty(); ++cpu) {
      if (!CPU_ISSET(cpu, &cpus)) continue;
      (first_.empty() ? first_ : last_) = std::to_string(cpu);
    }
  }

  static void run_on(const std::string& cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<size_t>(std::stoi(cpu)), &cpus);
    ASSERT_EQ(0, ::sched_setaffinity(0, sizeof cpus, &cpus));
  }

  static std::string cpus_of_exec() {
    const auto line = must_berth({"exec", "c", "grep", "Cpus_allowed_list", "/proc/self/status"});
    return base::split(line.substr(0, line.size() - 1), '\t').back();
  }

  std::string all_, first_, last_;
};

TEST_F(CpuAffinityTest, WithoutOneProcessesRunOnEveryCpuWhereverTheRuntimeRan) {
  run_on(first_);
  run_sleeper("c");
  EXPECT_EQ(all_, cpus_of(pid_of("c")));
  EXPECT_EQ(all_, cpus_of_exec());
}

TEST_F(CpuAffinityTest, TheFinalOneIsThatOfProcessesOfExecAlone) {
  run_sleeper("c", [&](Json& spec) { spec["process"]["execCPUAffinity"] = {{"initial", first_}, {"final", last_}}; });
  EXPECT_EQ(all_, cpus_of(pid_of("c")));
  EXPECT_EQ(last_, cpus_of_exec());
}

TEST_F(CpuAffinityTest, WithoutAFinalOneTheInitialOneStays) {
  utsname host{};
  ::uname(&host);
  int major = 0;
  int minor = 0;
  std::sscanf(host.release, "%d.%d", &major, &minor);
  if (std::pair(major, minor) < std::pair(6, 2)) GTEST_SKIP() << "before Linux 6.2 joining a cgroup forgets it";
  run_sleeper("c", [&](Json& spec) { spec["process"]["execCPUAffinity"] = {{"initial", first_}}; });
  EXPECT_EQ(first_, cpus_of_exec());
}

TEST_F(CpuAffinityTest, AProcessFileMayHaveItsOwn) {
  run_sleeper("c");
  const Json process = {{"args", {"grep", "Cpus_allowed_list", "/proc/self/status"}},
                        {"cwd", "/"},
                        {"env", {"PATH=/bin"}},
                        {"execCPUAffinity", {{"final", " " + last_ + " "}}}};
  EXPECT_THAT(must_berth({"exec", "--process", write("process.json", process.dump()), "c"}),
              HasSubstr("\t" + last_ + "\n"));
}

TEST_F(CpuAffinityTest, CpusThatAreNotThereAreNamed) {
  run_sleeper("c", [](Json& spec) { spec["process"]["execCPUAffinity"] = {{"final", "8000"}}; });
  const auto result = berth({"exec", "c", "true"});
  EXPECT_EQ(255, result.exit_status);
  EXPECT_THAT(result.error, AllOf(HasSubstr("process.execCPUAffinity.final"), HasSubstr("invalid argument")));
  EXPECT_THAT(must_run({"ps", "-e", "-o", "args"}), Not(HasSubstr("exec c true")));
}

}  // namespace
}  // namespace berth::test
