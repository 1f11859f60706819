// update: the kernel's files afterwards, on cgroup v1 and v2, beside Debian's runc where both can say something.

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/limits.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kV1Unlimited = "9223372036854771712";

class UpdateTest : public ContainerSandbox {
 protected:
  static std::vector<std::string> update(const std::vector<std::string>& flags, const std::string& id = "c") {
    std::vector<std::string> words{"update"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(id);
    return words;
  }
  static void must_update(const std::vector<std::string>& flags) { must_berth(update(flags)); }
  static void must_take(const std::string& resources) {
    const auto result = berth({"update", "--resources", "-", "c"}, resources);
    EXPECT_EQ(0, result.exit_status) << result.error;
    EXPECT_EQ("", result.error);
  }

  static std::string limit(const std::string& controller, const std::string& v1_file, const std::string& v2_file) {
    return limit_of(pid_of("c"), controller, on_cgroup_v2() ? v2_file : v1_file);
  }
  static std::string pids() { return limit("pids", "pids.max", "pids.max"); }
  static std::string memory() { return limit("memory", "memory.limit_in_bytes", "memory.max"); }
  static std::string shares() { return limit("cpu", "cpu.shares", "cpu.weight"); }
  /// "QUOTA PERIOD"
  static std::string quota() {
    if (on_cgroup_v2()) return limit("cpu", "", "cpu.max");
    return limit("cpu", "cpu.cfs_quota_us", "") + " " + limit("cpu", "cpu.cfs_period_us", "");
  }
  static bool has_swap_accounting() {
    return limit("memory", "memory.memsw.limit_in_bytes", "memory.swap.max").substr(0, 3) != "no ";
  }
  static base::Json stored() { return base::Json::parse(base::read_file("/run/berth/c/config.json")); }

  static void expect_error(const std::vector<std::string>& words, const std::string& message) {
    const auto result = berth(words);
    EXPECT_EQ(1, result.exit_status) << words[1];
    EXPECT_THAT(result.error, HasSubstr(message));
    EXPECT_EQ("", result.output);
  }
};

TEST_F(UpdateTest, EveryFlagReachesTheKernel) {
  run_sleeper("c");
  must_update({"--pids-limit", "17", "--memory", "64m", "--memory-reservation", "32M", "--cpu-share", "512",
               "--cpu-quota", "20000", "--cpu-period", "50000", "--cpu-burst", "1000", "--cpuset-cpus", "0",
               "--cpuset-mems", "0"});
  EXPECT_EQ("17", pids());
  EXPECT_EQ("67108864", memory());
  EXPECT_EQ("33554432", limit("memory", "memory.soft_limit_in_bytes", "memory.low"));
  EXPECT_EQ(on_cgroup_v2() ? "59" : "512", shares());
  EXPECT_EQ("20000 50000", quota());
  EXPECT_EQ("1000", limit("cpu", "cpu.cfs_burst_us", "cpu.max.burst"));
  EXPECT_EQ("0", limit("cpuset", "cpuset.cpus", "cpuset.cpus"));
  EXPECT_EQ("0", limit("cpuset", "cpuset.mems", "cpuset.mems"));
  must_update({"--pids-limit", "-1", "--memory", "-1", "--cpu-quota", "-1"});
  EXPECT_EQ("max", pids());
  EXPECT_EQ(on_cgroup_v2() ? "max" : kV1Unlimited, memory());
  EXPECT_EQ(on_cgroup_v2() ? "max 50000" : "-1 50000", quota());
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, ALaterUpdateStartsFromTheOneBefore) {
  run_sleeper("c");
  must_update({"--cpu-period", "50000"});
  must_update({"--cpu-quota", "20000"});
  EXPECT_EQ("20000 50000", quota());
  must_update({"--pids-limit", "20"});
  must_update({"--memory", "64m"});
  const auto resources = stored()["linux"]["resources"];
  EXPECT_EQ((base::Json{{"period", 50000}, {"quota", 20000}}), resources["cpu"]);
  EXPECT_EQ(20, resources["pids"]["limit"]);
  EXPECT_EQ(64 << 20, resources["memory"]["limit"]);
  EXPECT_FALSE(resources["devices"].empty()) << "what was there before stays";
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, MemoryAndSwapGrowAndShrinkTogether) {
  run_sleeper("c");
  if (!has_swap_accounting()) GTEST_SKIP() << "this kernel has no swap accounting";
  const auto swap = [] { return limit("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"); };
  must_update({"--memory", "64m", "--memory-swap", "64m"});
  EXPECT_EQ("67108864", memory());
  EXPECT_EQ(on_cgroup_v2() ? "0" : "67108864", swap());
  must_update({"--memory", "256m", "--memory-swap", "512m"});
  EXPECT_EQ("268435456", memory());
  EXPECT_EQ(on_cgroup_v2() ? "268435456" : "536870912", swap());
  must_update({"--memory-swap", "300m"});
  EXPECT_EQ(on_cgroup_v2() ? "46137344" : "314572800", swap());
  must_update({"--memory", "32m", "--memory-swap", "48m"});
  EXPECT_EQ("33554432", memory());
  EXPECT_EQ(on_cgroup_v2() ? "16777216" : "50331648", swap());
  must_update({"--memory", "-1"});
  EXPECT_EQ(on_cgroup_v2() ? "max" : kV1Unlimited, swap());
  EXPECT_EQ(-1, stored()["linux"]["resources"]["memory"]["swap"]);
  expect_error(update({"--memory", "64m", "--memory-swap", "32m"}), "memory.swap: 33554432 is less than memory.limit");
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, AnIdleContainerForgetsItsShares) {
  run_sleeper("c");
  const auto idle = [] { return limit("cpu", "cpu.idle", "cpu.idle"); };
  if (idle() == "no cpu.idle") GTEST_SKIP() << "this kernel has no cpu.idle";
  must_update({"--cpu-share", "512"});
  must_update({"--cpu-idle", "1"});
  EXPECT_EQ("1", idle());
  EXPECT_FALSE(stored()["linux"]["resources"]["cpu"].contains("shares"));
  must_update({"--cpu-idle", "0"});
  EXPECT_EQ("0", idle());
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, TakesAFileOrStdinAndThenNoFlags) {
  run_sleeper("c");
  const auto file = write("resources.json", R"({"pids": {"limit": 30}, "cpu": {"shares": 1024}})");
  must_update({"--resources", file, "--memory", "64m"});
  EXPECT_EQ("30", pids());
  EXPECT_EQ(on_cgroup_v2() ? "100" : "1024", shares());
  EXPECT_EQ(on_cgroup_v2() ? "max" : kV1Unlimited, memory());
  must_take(R"({"Pids": {"Limit": 31}, "memory": {"limit": 0, "swap": null}, "cpu": {"cpus": ""}})");
  EXPECT_EQ("31", pids());
  EXPECT_EQ(on_cgroup_v2() ? "max" : kV1Unlimited, memory());
  must_take("{}");
  expect_error(update({"-r", "/nowhere"}), "/nowhere: no such file or directory");
  EXPECT_THAT(berth({"update", "-r", "-", "c"}, "{").error, HasSubstr("stdin: "));
  EXPECT_THAT(berth({"update", "-r", "-", "c"}, R"({"pids": 3})").error, HasSubstr("stdin: pids: expected an object"));
  const auto wrong = write("wrong.json", R"({"memory": {"limit": "1"}})");
  expect_error(update({"-r", wrong}), wrong + ": memory.limit: expected a whole number");
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, DevicesAreLeftAlone) {
  run_sleeper("c", [](base::Json& spec) {
    spec["linux"]["devices"] = {{{"path", "/dev/kmsg"}, {"type", "c"}, {"major", 1}, {"minor", 11}}};
  });
  const auto devices = on_cgroup_v2() ? "" : limit("devices", "devices.list", "");
  const auto rules = stored()["linux"]["resources"]["devices"];
  must_take(R"({"devices": [{"allow": true}], "pids": {"limit": 5}})");
  EXPECT_EQ("5", pids());
  EXPECT_EQ(devices, on_cgroup_v2() ? "" : limit("devices", "devices.list", ""));
  EXPECT_EQ(rules, stored()["linux"]["resources"]["devices"]);
  EXPECT_THAT(berth({"exec", "c", "sh", "-c", "cat </dev/kmsg"}).error, HasSubstr("Operation not permitted"));
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, AFailureWritesTheOldValuesBack) {
  run_sleeper("c");
  must_update({"--memory", "64m", "--cpu-quota", "20000", "--cpu-period", "50000"});
  const auto before = base::read_file("/run/berth/c/config.json");
  const auto limits = [] { return pids() + " " + memory() + " " + shares() + " " + quota(); };
  const auto present = limits();
  expect_error(update({"--pids-limit", "9", "--memory", "32m", "--cpu-share", "64", "--cpu-quota", "40000",
                       "--cpuset-cpus", "4000"}),
               R"(linux.resources.cpu.cpus: write \"4000\" to )");
  EXPECT_EQ(present, limits());
  EXPECT_EQ(before, base::read_file("/run/berth/c/config.json"));
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, AMemoryLimitBelowWhatIsUsedCanBeRefused) {
  run_sleeper("c");
  const auto present = memory();
  const auto result = berth({"update", "-r", "-", "c"}, R"({"memory": {"limit": 4096, "checkBeforeUpdate": true}})");
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("linux.resources.memory.limit: 4096 is not above the usage "));
  EXPECT_EQ(present, memory());
  EXPECT_EQ("running", status_of("c"));
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, AMemoryLimitThatTheKernelRefusesIsSaidWithTheUsageAsWithRunc) {
  if (on_cgroup_v2()) GTEST_SKIP() << "cgroup v2 takes every limit, and kills";
  run_sleeper("c");
  const auto present = memory();
  const auto result = berth({"update", "-r", "-", "c"}, R"({"memory": {"limit": 4096}})");
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, ::testing::ContainsRegex(
                                "unable to set memory limit to 4096 \\(current usage: [0-9]+, peak usage: [0-9]+\\)"));
  EXPECT_EQ(present, memory());
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, UnifiedIsForV2) {
  run_sleeper("c");
  const auto result =
      berth({"update", "-r", "-", "c"}, R"({"unified": {"pids.max": "40", "memory.high": "1048576000"}})");
  if (on_cgroup_v2()) {
    EXPECT_EQ(0, result.exit_status) << result.error;
    EXPECT_EQ("40", pids());
    EXPECT_EQ("1048576000", limit("memory", "", "memory.high"));
    EXPECT_EQ("40", stored()["linux"]["resources"]["unified"]["pids.max"]);
  } else {
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr("linux.resources.unified: this host has cgroup v1"));
  }
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, CreatedAndPausedContainersAreChangedStoppedOnesAreNot) {
  must_berth({"create", "--bundle", bundle({"sleep", "1000"}), "c"});
  must_update({"--pids-limit", "11"});
  EXPECT_EQ("11", pids());
  must_berth({"start", "c"});
  must_berth({"pause", "c"});
  must_update({"--pids-limit", "12"});
  EXPECT_EQ("12", pids());
  must_berth({"kill", "c", "KILL"});
  ASSERT_TRUE(eventually([] { return status_of("c") == "stopped"; }));
  expect_error(update({"--pids-limit", "13"}), "container not running");
  expect_error(update({"--pids-limit", "13"}, "nobody"), "container does not exist");
  must_berth({"delete", "c"});
}

TEST_F(UpdateTest, WhatIsNoLimitIsNamed) {
  run_sleeper("c");
  expect_error(update({"--memory", "lots"}), "invalid value for memory: invalid size: 'lots'");
  expect_error(update({"--memory", "-2"}), "invalid value for memory: invalid size: '-2'");
  expect_error(update({"--cpu-period", "-5"}), R"(invalid value for cpu-period: \"-5\" is not such a number)");
  expect_error(update({"--cpu-quota", "1x"}), "invalid value for cpu-quota: ");
  expect_error(update({"--pids-limit", "many"}), "invalid value for pids-limit: ");
  expect_error(update({"--cpu-idle", "2"}), "cpu.idle: ");
  expect_error(update({"--blkio-weight", "5"}), "blockIO.weight: expected a weight of 10 to 1000, got 5");
  expect_error(update({"--l3-cache-schema", "L3:0=f"}), "Intel RDT/CAT: l3 cache schema is not enabled");
  expect_error(update({"--mem-bw-schema", "MB:0=20"}), "Intel RDT/MBA: memory bandwidth schema is not enabled");
  if (!on_cgroup_v2()) {
    expect_error(update({"--cpu-share", "300000"}), "the maximum allowed cpu-shares is 262144");
    expect_error(update({"--cpu-share", "1"}), "the minimum allowed cpu-shares is 2");
  }
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, KernelMemoryIsIgnoredWithAWarning) {
  run_sleeper("c");
  for (const char* flag : {"--kernel-memory", "--kernel-memory-tcp"}) {
    const auto result = berth(update({flag, "64m", "--pids-limit", "8"}));
    EXPECT_EQ(0, result.exit_status);
    EXPECT_THAT(result.error,
                HasSubstr("level=warning msg=\"Kernel memory settings are ignored and will be removed\""));
  }
  EXPECT_EQ("8", pids());
  EXPECT_THAT(must_berth({"update", "--help"}), Not(HasSubstr("kernel-memory")));
  must_berth({"delete", "--force", "c"});
}

TEST_F(UpdateTest, AContainerWithoutACgroupHasNoLimits) {
  must_berth({"--cgroup-manager", "disabled", "run", "--detach", "--bundle", bundle({"sleep", "1000"}), "c"});
  expect_error(update({"--pids-limit", "8"}),
               "linux.resources.pids.limit: the cgroup controller pids is not available");
  must_berth({"delete", "--force", "c"});
}

/// The same updates in both: the same files afterwards.
TEST_F(UpdateTest, TheKernelHasWhatRuncMakes) {
  const std::string runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  const auto path = bundle({"sleep", "1000"});
  std::vector<std::vector<std::string>> updates{{"--pids-limit", "33", "--cpuset-cpus", "0"},
                                                {"--memory", "100m", "--memory-swap", "200m"},
                                                {"--memory", "150m", "--cpu-share", "2048"},
                                                {"--cpu-period", "20000"},
                                                {"--cpu-quota", "10000"},
                                                {"--cpuset-mems", "7"},
                                                {"--memory-reservation", "x"}};
  if (!on_cgroup_v2()) {  // there everything takes its time
    updates.insert(updates.end(), {{"--memory-reservation", "50m"},
                                   {"--memory", "-1"},
                                   {"--cpu-quota", "-1", "--pids-limit", "-1"},
                                   {"--memory", "64MB"},
                                   {"--cpu-period", "1"},
                                   {"--memory-swap", "1k"}});
  }
  const std::vector<std::pair<std::string, std::string>> files{{"pids", "pids.max"},
                                                               {"memory", "memory.limit_in_bytes"},
                                                               {"memory", "memory.memsw.limit_in_bytes"},
                                                               {"cpu", "cpu.shares"},
                                                               {"memory", "memory.soft_limit_in_bytes"},
                                                               {"cpu", "cpu.cfs_quota_us"},
                                                               {"cpu", "cpu.cfs_period_us"},
                                                               {"cpuset", "cpuset.cpus"},
                                                               {"cpuset", "cpuset.mems"},
                                                               {"memory", "memory.max"},
                                                               {"memory", "memory.swap.max"},
                                                               {"memory", "memory.low"},
                                                               {"cpu", "cpu.max"}};
  std::string said[2];
  for (int i = 0; i < 2; ++i) {
    const std::string id = i == 0 ? "ours" : "theirs";
    const auto call = [&](const std::vector<std::string>& words) {
      auto argv = i == 0 ? berth_command(words) : std::vector<std::string>{runc, "--root", "/run/runc"};
      if (i == 1) argv.insert(argv.end(), words.begin(), words.end());
      return run(argv);
    };
    ASSERT_TRUE(call({"run", "--detach", "--bundle", path, id}).ok());
    const auto pid = base::Json::parse(call({"state", id}).output)["pid"].get<pid_t>();
    for (const auto& flags : updates) {
      said[i] += flags[0] + " " + flags[1] + ": " + call(update(flags, id)).status_text() + "\n";
      for (const auto& [controller, file] : files)
        said[i] += "  " + file + " " + limit_of(pid, controller, file) + "\n";
    }
    call({"delete", "--force", id});
  }
  EXPECT_EQ(said[1], said[0]);
}

}  // namespace
}  // namespace berth::test
