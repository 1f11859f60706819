// The limits of containers whose cgroups systemd manages: what systemd and the kernel have of them, beside Debian's
// runc.

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "support/limits.h"
#include "support/programs.h"
#include "support/systemd_host.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class LimitsTest : public SystemdHost {
 protected:
  static Edit with(const std::string& resources) {
    return [resources](Json& spec) { spec["linux"]["resources"].update(Json::parse(resources)); };
  }
  static std::string limit(const std::string& id, const std::string& file) { return limit_of(pid_of(id), "", file); }

  /// In an emulated machine runc sometimes asks for a unit that it has made and systemd does not find: it may try
  /// again.
  void start_container(const std::vector<std::string>& words, const std::string& runtime, const std::string& id) const {
    const int attempts = runtime == built("berth") ? 1 : 3;
    for (int attempt = 1; attempt < attempts; ++attempt) {
      if (run(words).ok()) return;
      run({runtime, "--root", scratch() + "/" + id, "--systemd-cgroup", "delete", "--force", id});
    }
    must_run(words);
  }

  /// A line for each property and file of a container's unit, made by `runtime`.
  std::string seen(const std::string& runtime, const std::string& id, const std::string& resources,
                   const std::vector<std::string>& files) const {
    const auto directory = bundle({"sleep", "1000"}, in_unit(id, with(resources)), id);
    const std::vector<std::string> start{runtime, "--root", scratch() + "/" + id, "--systemd-cgroup"};
    auto words = start;
    words.insert(words.end(), {"run", "--detach", "--bundle", directory, id});
    start_container(words, runtime, id);
    std::string text;
    for (const auto& [name, value] : show(unit_of(id), kProperties)) text += name + "=" + value + "\n";
    for (const auto& file : files) {
      // On v1 "CONTROLLER/FILE".
      const auto slash = file.find('/');
      const std::string hierarchy = slash == std::string::npos ? "" : file.substr(0, slash) + "/";
      const std::string path =
          "/sys/fs/cgroup/" + hierarchy + slice() + "/" + unit_of(id) + "/" + file.substr(hierarchy.size());
      auto lines = exists(path) ? base::split(base::read_file(path), '\n') : std::vector<std::string>{"none"};
      std::sort(lines.begin(), lines.end());
      text += file + ": " + base::join(lines, "; ") + "\n";
    }
    words = start;
    words.insert(words.end(), {"delete", "--force", id});
    must_run(words);
    EXPECT_TRUE(is_gone(unit_of(id))) << runtime;
    return text;
  }

  inline static const std::vector<std::string> kProperties{
      "Slice",         "Delegate",           "DefaultDependencies", "MemoryMax",    "MemoryLow",
      "MemoryHigh",    "MemoryMin",          "MemorySwapMax",       "CPUWeight",    "CPUQuotaPerSecUSec",
      "AllowedCPUs",   "CPUQuotaPeriodUSec", "AllowedMemoryNodes",  "TasksMax",     "DevicePolicy",
      "CPUAccounting", "MemoryAccounting",   "TasksAccounting",     "IOAccounting", "MemoryLimit",
      "CPUShares"};
};

/// One row of resources, and the files that show it.
struct Row {
  const char* name;
  const char* resources;
  std::vector<std::string> files;
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.name;
}

/// On cgroup v2.
class SystemdLimitsTest : public LimitsTest {
 protected:
  void SetUp() override {
    LimitsTest::SetUp();
    if (!IsSkipped() && !on_cgroup_v2()) GTEST_SKIP() << "this machine has cgroup v1";
  }
};

class SystemdV1LimitsTest : public LimitsTest {
 protected:
  void SetUp() override {
    LimitsTest::SetUp();
    if (!IsSkipped() && on_cgroup_v2()) GTEST_SKIP() << "this machine has cgroup v2 (vm-run --cgroup1)";
  }
};

class SystemdRowTest : public SystemdLimitsTest, public ::testing::WithParamInterface<Row> {};

TEST_P(SystemdRowTest, SystemdAndTheKernelHaveWhatTheyHaveOfRunc) {
  const std::string runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  const auto& row = GetParam();
  EXPECT_EQ(seen(built("berth"), "ours", row.resources, row.files), seen(runc, "runcs", row.resources, row.files));
}

INSTANTIATE_TEST_SUITE_P(
    Resources, SystemdRowTest,
    ::testing::Values(
        Row{"nothing", R"({})", {"memory.max", "pids.max", "cpu.max", "cpu.weight", "io.weight", "cpuset.cpus"}},
        // Shares whose weight is the same by runc's old formula and the new one.
        Row{"most",
            R"({"memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296},
                "cpu": {"shares": 262144, "quota": 12500, "period": 50000, "cpus": "0", "mems": "0"},
                "pids": {"limit": 33}})",
            {"memory.max", "memory.low", "memory.swap.max", "cpu.weight", "cpu.max", "cpuset.cpus", "cpuset.mems",
             "pids.max"}},
        Row{"unlimited",
            R"({"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1, "shares": 2}, "pids": {"limit": -1}})",
            {"memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"}},
        Row{"unified_and_files",
            R"({"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
                "unified": {"memory.high": "50000000", "memory.max": "60000000", "memory.min": "4096",
                            "memory.low": "8192", "cpu.max": "20000 80000", "cpu.weight": "42", "pids.max": "20",
                            "cpuset.cpus": "1", "memory.swap.max": "max", "memory.oom.group": "1"}})",
            {"memory.high", "memory.max", "memory.min", "memory.low", "cpu.max", "cpu.weight", "pids.max",
             "cpuset.cpus", "memory.swap.max", "memory.oom.group", "hugetlb.2MB.max"}}),
    [](const auto& row) { return row.param.name; });

/// May make device nodes, and read the console.
void with_console(Json& spec) {
  for (const char* set : {"bounding", "effective", "permitted"}) {
    spec["process"]["capabilities"][set].push_back("CAP_MKNOD");
  }
  spec["linux"]["resources"]["devices"].push_back(
      {{"allow", true}, {"type", "c"}, {"major", 5}, {"minor", 1}, {"access", "r"}});
}

TEST_F(SystemdV1LimitsTest, SystemdAndTheKernelHaveWhatTheyHaveOfRunc) {
  const std::string runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  constexpr const char* kResources =
      R"({"memory": {"limit": 67108864, "reservation": 33554432}, "pids": {"limit": 33},
          "cpu": {"shares": 512, "quota": 12500, "period": 50000, "cpus": "0", "mems": "0"},
          "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]})";
  const std::vector<std::string> files{"memory/memory.limit_in_bytes",
                                       "memory/memory.soft_limit_in_bytes",
                                       "pids/pids.max",
                                       "cpu/cpu.shares",
                                       "cpu/cpu.cfs_quota_us",
                                       "cpu/cpu.cfs_period_us",
                                       "cpuset/cpuset.cpus",
                                       "hugetlb/hugetlb.2MB.limit_in_bytes",
                                       "devices/devices.list"};
  const auto ours = seen(built("berth"), "ours", kResources, files);
  EXPECT_EQ(ours, seen(runc, "runcs", kResources, files));
  EXPECT_THAT(ours, HasSubstr("memory.limit_in_bytes: 67108864\n"));
}

TEST_F(SystemdV1LimitsTest, UpdateChangesTheUnitAndAReloadKeepsIt) {
  run_in_unit("v1");
  must_berth({"update", "--memory", "64m", "--pids-limit", "17", "--cpu-quota", "12345", "--cpu-period", "50000",
              "--cpu-share", "512", "v1"});
  const auto state = [] {
    std::string text;
    for (const auto& [controller, file] : {std::pair("memory", "memory.limit_in_bytes"), std::pair("pids", "pids.max"),
                                           std::pair("cpu", "cpu.cfs_quota_us"), std::pair("cpu", "cpu.shares")}) {
      text += limit_of(pid_of("v1"), controller, file) + " ";
    }
    return text;
  };
  EXPECT_EQ("67108864 17 12500 512 ", state());
  EXPECT_EQ("67108864", show_one(unit_of("v1"), "MemoryLimit"));
  EXPECT_EQ("512", show_one(unit_of("v1"), "CPUShares"));
  must_run({"systemctl", "daemon-reload"});
  EXPECT_EQ("67108864 17 12500 512 ", state());
  must_berth({"delete", "--force", "v1"});
  EXPECT_THAT(cgroups_of("test-v1.scope"), ::testing::IsEmpty());
}

/// Says which of the null device, the console and the current terminal can be opened.
constexpr const char* kOpenDevices =
    "for d in '1 3' '5 1' '4 0'; do rm -f /tmp/d; mknod /tmp/d c $d; head -c 0 /tmp/d && echo $d; done 2>/dev/null; :";

TEST_F(SystemdLimitsTest, WhatTheKernelHasSurvivesAReload) {
  run_in_unit("re", [](Json& spec) {
    with(R"({"memory": {"limit": 67108864}, "pids": {"limit": 9}, "blockIO": {"weight": 500},
             "cpu": {"quota": 12345, "period": 50000, "shares": 512}})")(spec);
    with_console(spec);
  });
  const auto state = [&] {
    std::string text;
    for (const char* file : {"memory.max", "pids.max", "cpu.max", "cpu.weight", "io.weight"}) {
      text += limit("re", file) + "\n";
    }
    return text + must_berth({"exec", "re", "sh", "-c", kOpenDevices});
  };
  const std::string expected = "67108864\n9\n12500 50000\n59\ndefault 4950\n1 3\n5 1\n";
  EXPECT_EQ(expected, state());
  EXPECT_EQ("4950", show_one(unit_of("re"), "IOWeight"));
  EXPECT_EQ("strict", show_one(unit_of("re"), "DevicePolicy"));
  EXPECT_THAT(show_one(unit_of("re"), "DeviceAllow"), HasSubstr("/dev/char/5:1 r"));
  must_run({"systemctl", "daemon-reload"});
  EXPECT_EQ(expected, state());
  must_berth({"delete", "--force", "re"});
}

TEST_F(SystemdLimitsTest, WithEveryDeviceAllowedSystemdDeniesNone) {
  run_in_unit("all", [](Json& spec) {
    with_console(spec);
    spec["linux"]["resources"]["devices"][0]["allow"] = true;
  });
  EXPECT_EQ("auto", show_one(unit_of("all"), "DevicePolicy"));
  EXPECT_EQ("1 3\n5 1\n4 0\n", must_berth({"exec", "all", "sh", "-c", kOpenDevices}));
  must_berth({"delete", "--force", "all"});
}

TEST_F(SystemdLimitsTest, UpdateChangesTheUnitToo) {
  run_in_unit("up");
  must_berth({"update", "--memory", "64m", "--pids-limit", "17", "--cpu-quota", "12345", "--cpu-period", "50000",
              "--cpu-share", "512", "--cpuset-cpus", "0", "--blkio-weight", "500", "--memory-reservation", "32m",
              "up"});
  EXPECT_THAT(show(unit_of("up"), {"MemoryMax", "MemoryLow", "TasksMax", "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec",
                                   "CPUWeight", "AllowedCPUs", "IOWeight"}),
              UnorderedElementsAre(Pair("MemoryMax", "67108864"), Pair("MemoryLow", "33554432"), Pair("TasksMax", "17"),
                                   Pair("CPUQuotaPerSecUSec", "250ms"), Pair("CPUQuotaPeriodUSec", "50ms"),
                                   Pair("CPUWeight", "59"), Pair("AllowedCPUs", "0"), Pair("IOWeight", "4950")));
  EXPECT_EQ("67108864", limit("up", "memory.max"));
  EXPECT_EQ("12500 50000", limit("up", "cpu.max"));
  EXPECT_EQ("0", limit("up", "cpuset.cpus"));
  must_run({"systemctl", "daemon-reload"});
  EXPECT_EQ("17", limit("up", "pids.max"));
  must_berth({"update", "--memory", "-1", "--pids-limit", "-1", "--cpu-quota", "-1", "up"});
  EXPECT_EQ("max", limit("up", "memory.max"));
  EXPECT_EQ("max 50000", limit("up", "cpu.max"));
  EXPECT_EQ("infinity", show_one(unit_of("up"), "TasksMax"));
  must_berth({"delete", "--force", "up"});
}

TEST_F(SystemdLimitsTest, AnIdleContainerIsIdleForSystemd) {
  run_in_unit("id");
  if (limit("id", "cpu.idle") == "no cpu.idle") GTEST_SKIP() << "this kernel has no cpu.idle";
  must_berth({"update", "--cpu-idle", "1", "id"});
  EXPECT_EQ("1", limit("id", "cpu.idle"));
  EXPECT_EQ("idle", show_one(unit_of("id"), "CPUWeight"));
  must_berth({"update", "--cpu-idle", "0", "id"});
  EXPECT_EQ("0", limit("id", "cpu.idle"));
  EXPECT_EQ("[not set]", show_one(unit_of("id"), "CPUWeight"));
  must_berth({"delete", "--force", "id"});
}

TEST_F(SystemdLimitsTest, AnUpdateThatFailsChangesNothing) {
  run_in_unit("keep", with(R"({"memory": {"limit": 67108864}, "pids": {"limit": 9}})"));
  const auto state = [&] {
    return limit("keep", "pids.max") + " " + limit("keep", "cpu.max") + " " + show_one(unit_of("keep"), "TasksMax") +
           " " + show_one(unit_of("keep"), "CPUQuotaPerSecUSec") + " " + base::read_file("/run/berth/keep/config.json");
  };
  const auto before = state();
  // The kernel refuses the period after the limit of processes has been changed.
  const auto refused = berth({"update", "--pids-limit", "20", "--cpu-period", "5", "--cpu-quota", "1000", "keep"});
  EXPECT_EQ(1, refused.exit_status);
  EXPECT_THAT(refused.error, HasSubstr("linux.resources.cpu.quota: write"));
  EXPECT_EQ(before, state());
  must_berth({"delete", "--force", "keep"});
}

TEST_F(SystemdLimitsTest, AnUpdateThatSystemdRefusesIsTakenBack) {
  run_in_unit("gone", with(R"({"pids": {"limit": 9}})"));
  // A unit that systemd has lost: nothing but the files is there any more.
  auto record = Json::parse(base::read_file("/run/berth/gone/state.json"));
  record["systemdUnit"]["name"] = "test-another.scope";
  base::write_file_atomic("/run/berth/gone/state.json", record.dump(), 0600);
  const auto refused = berth({"update", "--pids-limit", "20", "gone"});
  EXPECT_EQ(1, refused.exit_status);
  EXPECT_THAT(refused.error, HasSubstr("linux.resources: systemd unit test-another.scope: "));
  EXPECT_EQ("9", limit("gone", "pids.max"));
  must_berth({"delete", "--force", "gone"});
}

TEST_F(SystemdLimitsTest, ALimitThatNobodyHasIsAnErrorThatLeavesNothing) {
  const auto result = try_run_in_unit("bad", with(R"({"unified": {"nothing.max": "1"}})"));
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("linux.resources.unified: the cgroup controller of nothing.max"));
  EXPECT_TRUE(is_gone(unit_of("bad")));
  EXPECT_FALSE(exists(slice_directory() + "/" + unit_of("bad")));
  const auto list = try_run_in_unit("bad", with(R"({"cpu": {"cpus": "x"}})"));
  EXPECT_THAT(list.error, HasSubstr("linux.resources.cpu.cpus: \\\"x\\\" is not a list of numbers"));
}

}  // namespace
}  // namespace berth::test
