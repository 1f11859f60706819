// Containers whose cgroups systemd manages, under a real systemd, beside Debian's runc where both can say something.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "support/limits.h"
#include "support/programs.h"
#include "support/systemd_host.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class SystemdTest : public SystemdHost {
 protected:
  static void expect_error(const base::CommandResult& result, const std::string& message) {
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(message));
  }
  static std::string file_of(const std::string& id, const std::string& file, const std::string& controller = "memory") {
    return limit_of(pid_of(id), controller, file);
  }
  /// An edit: the unit fails after three seconds, and its processes are killed.
  static void fails_soon(Json& spec) {
    spec["annotations"] = {{"org.systemd.property.RuntimeMaxSec", "uint64 3"},
                           {"org.systemd.property.KillSignal", "9"}};
  }
  static Json stored(const std::string& id) { return Json::parse(base::read_file("/run/berth/" + id + "/state.json")); }
};

TEST_F(SystemdTest, AContainerIsAScopeInItsSlice) {
  run_in_unit("c1");
  const std::string place = slice_directory() + "/test-c1.scope";
  if (on_cgroup_v2()) {
    EXPECT_EQ(place, cgroup_directory_of(pid_of("c1"), ""));
  }
  EXPECT_THAT(
      show(unit_of("c1"), {"ActiveState", "Slice", "Delegate", "DefaultDependencies", "Description", "MemoryAccounting",
                           "CPUAccounting", "TasksAccounting", "ControlGroup"}),
      UnorderedElementsAre(Pair("ActiveState", "active"), Pair("Slice", slice()), Pair("Delegate", "yes"),
                           Pair("DefaultDependencies", "no"), Pair("Description", "container c1"),
                           Pair("MemoryAccounting", "yes"), Pair("CPUAccounting", "yes"),
                           Pair("TasksAccounting", "yes"), Pair("ControlGroup", "/" + slice() + "/test-c1.scope")));
  must_berth({"delete", "--force", "c1"});
  EXPECT_TRUE(is_gone(unit_of("c1")));
  EXPECT_FALSE(exists(place));
}

TEST_F(SystemdTest, WithoutAPathItIsInTheSystemsSlice) {
  const std::string id = "systemd-test-default+" + std::to_string(::getpid());
  must_berth({"--cgroup-manager=systemd", "run", "--detach", "--bundle", bundle({"sleep", "1000"}), id});
  const std::string unit = "berth-systemd-test-default\\x2b" + std::to_string(::getpid()) + ".scope";
  EXPECT_EQ("system.slice", show_one(unit, "Slice"));
  must_berth({"delete", "--force", id});
  EXPECT_TRUE(is_gone(unit));
}

TEST_F(SystemdTest, TheUnitEndsWithARunInTheForeground) {
  const auto result =
      berth({"--systemd-cgroup", "run", "--bundle", shell_bundle("exit 7", in_unit("fg")), "systemd-fg"});
  EXPECT_EQ(7, result.exit_status) << result.error;
  EXPECT_EQ("", result.error);
  EXPECT_TRUE(is_gone(unit_of("fg")));
}

TEST_F(SystemdTest, AContainerSeesItsUnitAsRootOfItsCgroups) {
  const auto result = run(berth_command(
      {"--systemd-cgroup", "run", "--bundle",
       shell_bundle("cat /proc/self/cgroup", in_unit("ns",
                                                     [](Json& spec) {
                                                       spec["linux"]["namespaces"].push_back({{"type", "cgroup"}});
                                                     })),
       "systemd-ns"}));
  EXPECT_TRUE(result.ok()) << result.error;
  EXPECT_THAT(result.output, HasSubstr("::/\n"));
}

TEST_F(SystemdTest, ANameCanBeThatOfASlice) {
  const std::string unit = slice().substr(0, slice().size() - 6) + "-pod.slice";
  run_in_unit("sl", [&](Json& spec) { spec["linux"]["cgroupsPath"] = slice() + ":ignored:" + unit; });
  EXPECT_EQ("active", show_one(unit, "ActiveState"));
  if (on_cgroup_v2()) {
    EXPECT_EQ(slice_directory() + "/" + unit, cgroup_directory_of(pid_of("sl"), ""));
  }
  must_berth({"delete", "--force", "sl"});
  EXPECT_EQ("inactive", show_one(unit, "ActiveState"));
}

TEST_F(SystemdTest, APathOfAnotherFormIsRefusedBeforeAnythingIsMade) {
  const auto result = try_run_in_unit("bad", [](Json& spec) { spec["linux"]["cgroupsPath"] = "/a/b"; });
  expect_error(result, "expected cgroupsPath to be of format \\\"slice:prefix:name\\\" for systemd cgroups");
  EXPECT_FALSE(exists("/run/berth/bad"));
}

TEST_F(SystemdTest, AnnotationsArePropertiesOfTheUnit) {
  run_in_unit("an", [](Json& spec) {
    spec["annotations"] = {{"org.systemd.property.TimeoutStopSec", "uint64 77"},
                           {"org.systemd.property.CollectMode", "'inactive-or-failed'"},
                           {"org.systemd.property.MemoryHigh", "@t 104857600"},
                           {"org.systemd.property.After", "['nowhere.service']"}};
  });
  EXPECT_THAT(show(unit_of("an"), {"TimeoutStopUSec", "CollectMode", "MemoryHigh"}),
              UnorderedElementsAre(Pair("TimeoutStopUSec", "1min 17s"), Pair("CollectMode", "inactive-or-failed"),
                                   Pair("MemoryHigh", "104857600")));
  EXPECT_THAT(show_one(unit_of("an"), "After"), HasSubstr("nowhere.service"));
  must_berth({"delete", "--force", "an"});
}

TEST_F(SystemdTest, ABadAnnotationLeavesNothingBehind) {
  const auto with = [](const char* name, const char* value) {
    return [=](Json& spec) { spec["annotations"][std::string("org.systemd.property.") + name] = value; };
  };
  expect_error(try_run_in_unit("ba", with("CollectMode", "nonsense")),
               "annotations.org.systemd.property.CollectMode: \\\"nonsense\\\"");
  // These two only systemd can refuse.
  expect_error(try_run_in_unit("ba", with("NoSuchProperty", "1")), "systemd unit test-ba.scope: ");
  expect_error(try_run_in_unit("ba", with("CollectMode", "5")), "systemd unit test-ba.scope: ");
  EXPECT_FALSE(exists("/run/berth/ba"));
  EXPECT_TRUE(is_gone(unit_of("ba")));
  EXPECT_THAT(cgroups_of("test-ba.scope"), IsEmpty());
}

TEST_F(SystemdTest, AUnitThatFailsToStartIsReportedWithItsResult) {
  base::write_file_atomic("/run/systemd/system/berthtest-fails.service",
                          "[Service]\nType=oneshot\nExecStart=/bin/false\n", 0644);
  const auto result = try_run_in_unit("dep", [](Json& spec) {
    spec["annotations"] = {{"org.systemd.property.Requires", "['berthtest-fails.service']"},
                           {"org.systemd.property.After", "['berthtest-fails.service']"}};
  });
  expect_error(result, "error creating systemd unit `test-dep.scope`: got `dependency`");
  EXPECT_TRUE(is_gone(unit_of("dep")));
  EXPECT_THAT(cgroups_of("test-dep.scope"), IsEmpty());
  base::remove_if_present("/run/systemd/system/berthtest-fails.service");
  run({"systemctl", "reset-failed", "berthtest-fails.service"});
}

TEST_F(SystemdTest, AUnitOfAnotherIsLeftAlone) {
  run_in_unit("first");
  // The same place is in use; the same name elsewhere is, too.
  expect_error(try_run_in_unit("second", [&](Json& spec) { spec["linux"]["cgroupsPath"] = path_of("first"); }),
               "container's cgroup is not empty: 1 process(es) found");
  expect_error(try_run_in_unit("third", [](Json& spec) { spec["linux"]["cgroupsPath"] = "system.slice:test:first"; }),
               "systemd unit test-first.scope: ");
  EXPECT_EQ("running", status_of("first"));
  EXPECT_EQ("active", show_one(unit_of("first"), "ActiveState"));
  EXPECT_FALSE(exists("/sys/fs/cgroup/system.slice/test-first.scope"));
  must_berth({"delete", "--force", "first"});
}

TEST_F(SystemdTest, WhatIsLeftOfAFailedUnitMakesRoom) {
  run_in_unit("failed", fails_soon);
  ASSERT_TRUE(eventually([] { return show_one(unit_of("failed"), "ActiveState") == "failed"; }));
  EXPECT_TRUE(eventually([] { return status_of("failed") == "stopped"; }));
  const auto again = try_run_in_unit("again", [&](Json& spec) { spec["linux"]["cgroupsPath"] = path_of("failed"); });
  EXPECT_TRUE(again.ok()) << again.error;
  EXPECT_EQ("active", show_one(unit_of("failed"), "ActiveState"));
  must_berth({"delete", "--force", "again"});
  must_berth({"delete", "failed"});
  EXPECT_TRUE(is_gone(unit_of("failed")));
}

TEST_F(SystemdTest, DeleteForgetsAFailedUnit) {
  run_in_unit("fd", fails_soon);
  ASSERT_TRUE(eventually([] { return show_one(unit_of("fd"), "ActiveState") == "failed"; }));
  must_berth({"delete", "--force", "fd"});
  EXPECT_TRUE(is_gone(unit_of("fd")));
}

TEST_F(SystemdTest, WhatAKilledCreateLeavesIsDeletedByForce) {
  const auto script = write("kill-parent", "#!/bin/sh\nkill -KILL $PPID\nsleep 1\n");
  ::chmod(script.c_str(), 0755);
  const auto result = try_run_in_unit("dead", [&](Json& spec) {
    spec["hooks"]["createRuntime"] = Json::array({{{"path", script}}});
  });
  ASSERT_EQ(SIGKILL, result.signal.value_or(0));
  EXPECT_EQ(unit_of("dead"), stored("dead")["systemdUnit"]["name"]);
  // Its process ends with its parent, and with that the unit, or it does not: both must be fine.
  must_berth({"delete", "--force", "dead"});
  EXPECT_TRUE(is_gone(unit_of("dead")));
  EXPECT_FALSE(exists("/run/berth/dead"));
}

TEST_F(SystemdTest, AFailingHookLeavesNoUnit) {
  const auto result = try_run_in_unit("hook", [](Json& spec) {
    spec["hooks"]["createRuntime"] = Json::array({{{"path", "/bin/false"}}});
  });
  expect_error(result, "error running createRuntime hook #0");
  EXPECT_TRUE(is_gone(unit_of("hook")));
  EXPECT_THAT(cgroups_of("test-hook.scope"), IsEmpty());
}

TEST_F(SystemdTest, CommandsWorkAsEverywhere) {
  run_in_unit("cmd");
  must_berth({"exec", "--detach", "cmd", "sleep", "2000"});
  EXPECT_EQ(2U, Json::parse(must_berth({"ps", "--format", "json", "cmd"})).size());
  EXPECT_THAT(must_berth({"exec", "cmd", "sh", "-c", "cat /proc/self/cgroup"}), HasSubstr("/test-cmd.scope\n"));
  const auto stats = Json::parse(must_berth({"events", "--stats", "cmd"}));
  EXPECT_GE(stats["data"]["pids"]["current"], 2);
  EXPECT_GT(stats["data"]["memory"]["usage"]["usage"], 0);
  must_berth({"pause", "cmd"});
  EXPECT_EQ("paused", status_of("cmd"));
  must_berth({"resume", "cmd"});
  EXPECT_EQ("running", status_of("cmd"));
  must_berth({"kill", "--all", "cmd", "KILL"});
  EXPECT_TRUE(eventually([] { return status_of("cmd") == "stopped"; }));
  must_berth({"delete", "cmd"});
  EXPECT_TRUE(is_gone(unit_of("cmd")));
}

TEST_F(SystemdTest, ARestoredContainerIsAScopeAgain) {
  if (system_program("criu").empty()) GTEST_SKIP() << "criu is not installed";
  RunOptions patient;
  patient.timeout = std::chrono::minutes(5);
  const auto must_call = [&](std::vector<std::string> words) {
    const auto result = run(berth_command(words), patient);
    ASSERT_TRUE(result.ok()) << words.front() << ": " << result.status_text() << "\n" << result.error;
  };
  run_in_unit("saved", [](Json& spec) { spec["linux"]["resources"]["memory"] = {{"limit", 64 << 20}}; });
  const std::string place = cgroup_directory_of(pid_of("saved"), "");
  must_call({"checkpoint", "--image-path", scratch() + "/images", "saved"});
  EXPECT_TRUE(is_gone(unit_of("saved")));
  must_call({"--systemd-cgroup", "restore", "--detach", "--bundle", scratch() + "/saved", "--image-path",
             scratch() + "/images", "saved"});
  EXPECT_EQ("running", status_of("saved"));
  EXPECT_EQ("active", show_one(unit_of("saved"), "ActiveState"));
  EXPECT_EQ(std::to_string(64 << 20), show_one(unit_of("saved"), "MemoryMax"));
  EXPECT_EQ(std::to_string(64 << 20), file_of("saved", "memory.max"));
  EXPECT_EQ(place, cgroup_directory_of(pid_of("saved"), ""));
  must_berth({"delete", "--force", "saved"});
  EXPECT_TRUE(is_gone(unit_of("saved")));
}

TEST_F(SystemdTest, APausedContainerIsDeletedByForce) {
  run_in_unit("pz");
  must_berth({"pause", "pz"});
  must_berth({"delete", "--force", "pz"});
  EXPECT_TRUE(is_gone(unit_of("pz")));
}

TEST_F(SystemdTest, WhatIgnoresSignalsIsDeletedWithoutWaiting) {
  const auto directory = shell_bundle("trap '' TERM; while :; do sleep 1; done", in_unit("deaf", [](Json& spec) {
                                        // In the host's pid namespace nothing ends with its first process.
                                        auto& namespaces = spec["linux"]["namespaces"];
                                        std::erase_if(namespaces.get_ref<Json::array_t&>(),
                                                      [](const Json& ns) { return ns["type"] == "pid"; });
                                      }));
  must_berth({"--systemd-cgroup", "run", "--detach", "--bundle", directory, "deaf"});
  must_berth({"exec", "--detach", "deaf", "sh", "-c", "trap '' TERM; while :; do sleep 1; done"});
  const auto before = std::chrono::steady_clock::now();
  must_berth({"delete", "--force", "deaf"});
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
  EXPECT_TRUE(is_gone(unit_of("deaf")));
}

TEST_F(SystemdTest, ContainersAreMadeWhileSystemdRestartsItself) {
  constexpr int kContainers = 2;
  std::vector<std::unique_ptr<Child>> restarts;
  for (int i = 0; i < kContainers; ++i) {
    const std::string id = "busy" + std::to_string(i);
    restarts.push_back(std::make_unique<Child>(std::vector<std::string>{system_program("systemctl"), "daemon-reexec"}));
    run_in_unit(id);
    EXPECT_EQ("running", status_of(id));
    restarts.push_back(std::make_unique<Child>(std::vector<std::string>{system_program("systemctl"), "daemon-reexec"}));
    const auto deleted = berth({"delete", "--force", id});
    EXPECT_EQ(0, deleted.exit_status);
    EXPECT_EQ("", deleted.error);
    for (const auto& restart : restarts) restart->wait();
    restarts.clear();
    EXPECT_TRUE(is_gone(unit_of(id)));
  }
}

}  // namespace
}  // namespace berth::test
