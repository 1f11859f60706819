// The end of containers: signals, and the removal of everything they had.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "container/store.h"
#include "support/containers.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KillDeleteTest : public ContainerSandbox {
 protected:
  static Edit with_hook(const std::string& kind, const std::string& script) {
    return [=](Json& spec) {
      spec["hooks"][kind] = Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", script}}}});
    };
  }

  static void set_namespace_path(Json& spec, const std::string& type, const std::string& path) {
    for (auto& ns : spec["linux"]["namespaces"]) {
      if (ns["type"] == type) ns["path"] = path;
    }
  }

  /// The pids in the container's cgroup.
  static std::string processes_of(const std::string& id) {
    for (const auto& directory : cgroups_of(id)) {
      const std::string procs = base::read_file(directory + "/cgroup.procs");
      if (!procs.empty()) return procs;
    }
    return "";
  }

  /// Freezes or thaws the container by hand; false if this machine cannot.
  static bool set_frozen(const std::string& id, bool frozen) {
    for (const auto& directory : cgroups_of(id)) {
      for (const auto& [file, value] : {std::pair{"/freezer.state", frozen ? "FROZEN" : "THAWED"},
                                        std::pair{"/cgroup.freeze", frozen ? "1" : "0"}}) {
        if (!exists(directory + file)) continue;
        base::write_existing(directory + file, value);
        return true;
      }
    }
    return false;
  }
};

TEST_F(KillDeleteTest, EverySpellingOfASignalReachesTheProcess) {
  must_berth({"run", "--detach", "--bundle",
              shell_bundle("trap 'echo x >> /got' USR1; touch /ready; while :; do sleep 0.02; done"), "c"});
  const std::string root = scratch() + "/bundle/rootfs";
  ASSERT_TRUE(eventually([&] { return exists(root + "/ready"); }));
  std::string expected;
  for (const char* spelling : {"SIGUSR1", "usr1", "Usr1", "10"}) {
    must_berth({"kill", "c", spelling});
    expected += "x\n";
    EXPECT_TRUE(eventually([&] { return exists(root + "/got") && base::read_file(root + "/got") == expected; }))
        << spelling;
  }
  EXPECT_THAT(berth({"kill", "c", "NOSUCH"}).error, HasSubstr("unknown signal"));
  must_berth({"delete", "--force", "c"});
}

TEST_F(KillDeleteTest, NoSignalAndAnEmptyOneAreSigterm) {
  for (const std::vector<std::string>& signal : {std::vector<std::string>{}, {""}}) {
    const auto path = shell_bundle("trap 'exit 0' TERM; touch /ready; while :; do sleep 0.02; done");
    const std::string ready = path + "/rootfs/ready";
    std::filesystem::remove(ready);
    must_berth({"run", "--detach", "--bundle", path, "c"});
    ASSERT_TRUE(eventually([&] { return exists(ready); }));
    std::vector<std::string> words{"kill", "c"};
    words.insert(words.end(), signal.begin(), signal.end());
    must_berth(words);
    EXPECT_TRUE(eventually([] { return status_of("c") == "stopped"; }));
    must_berth({"delete", "--force", "c"});
  }
}

TEST_F(KillDeleteTest, ACreatedContainerCanBeKilled) {
  must_berth({"create", "--bundle", bundle({"true"}), "c"});
  must_berth({"kill", "c", "KILL"});
  EXPECT_TRUE(eventually([&] { return status_of("c") == "stopped"; }));
  must_berth({"delete", "c"});
}

TEST_F(KillDeleteTest, AStoppedContainerIsNotRunningUnlessAllIsGiven) {
  must_berth({"run", "--detach", "--bundle", bundle({"true"}), "c"});
  ASSERT_TRUE(eventually([&] { return status_of("c") == "stopped"; }));
  const auto plain = berth({"kill", "c", "KILL"});
  EXPECT_EQ(1, plain.exit_status);
  EXPECT_THAT(plain.error, HasSubstr("container not running"));
  EXPECT_EQ(0, berth({"kill", "--all", "c", "KILL"}).exit_status);
  must_berth({"delete", "c"});
}

TEST_F(KillDeleteTest, SigkillTakesEffectInAFrozenContainer) {
  run_sleeper("frozen");
  if (!set_frozen("frozen", true)) GTEST_SKIP() << "no freezer on this machine";
  ASSERT_TRUE(eventually([] { return status_of("frozen") == "paused"; }));
  EXPECT_THAT(berth({"delete", "frozen"}).error,
              HasSubstr("cannot delete container frozen that is not stopped: paused"));
  must_berth({"kill", "frozen", "KILL"});
  EXPECT_TRUE(eventually([] { return status_of("frozen") == "stopped"; }));
  must_berth({"delete", "frozen"});
}

TEST_F(KillDeleteTest, DeleteForceEndsAFrozenContainer) {
  run_sleeper("frozen");
  if (!set_frozen("frozen", true)) GTEST_SKIP() << "no freezer on this machine";
  must_berth({"delete", "--force", "frozen"});
  EXPECT_THAT(cgroups_of("frozen"), IsEmpty());
}

TEST_F(KillDeleteTest, SigkillEndsAllProcessesInAJoinedPidNamespace) {
  run_sleeper("first");
  const std::string path = bundle(
      {"sh", "-c", "sleep 1000 & sleep 1000"},
      [&](Json& spec) { set_namespace_path(spec, "pid", "/proc/" + std::to_string(pid_of("first")) + "/ns/pid"); },
      "second");
  must_berth({"run", "--detach", "--bundle", path, "second"});
  const auto lines = [] {
    const std::string procs = processes_of("second");
    return std::count(procs.begin(), procs.end(), '\n');
  };
  ASSERT_TRUE(eventually([&] { return lines() >= 2; })) << processes_of("second");
  must_berth({"kill", "second", "KILL"});
  EXPECT_TRUE(eventually([&] { return lines() == 0; })) << processes_of("second");
  EXPECT_EQ("running", status_of("first"));
  must_berth({"delete", "second"});
  must_berth({"delete", "--force", "first"});
}

TEST_F(KillDeleteTest, AnotherProcessUnderTheOldPidIsLeftAlone) {
  run_sleeper("c");
  const std::string file = "/run/berth/c/state.json";
  Json record = Json::parse(base::read_file(file));
  record["startTime"] = record["startTime"].get<uint64_t>() + 1;
  const auto pid = record["pid"].get<pid_t>();
  record["cgroups"] = Json::object();
  base::write_file_atomic(file, record.dump(), 0600);
  EXPECT_THAT(berth({"kill", "c", "KILL"}).error, HasSubstr("container not running"));
  EXPECT_EQ(0, berth({"delete", "--force", "c"}).exit_status);
  EXPECT_EQ(0, ::kill(pid, 0)) << "a process that is not the container's was killed";
  ::kill(pid, SIGKILL);
}

TEST_F(KillDeleteTest, DeleteOfACreatedContainerEndsItsProcess) {
  const std::string path = bundle({"true"});
  const std::string before = host_state();
  must_berth({"create", "--bundle", path, "parked"});
  const pid_t pid = pid_of("parked");
  must_berth({"delete", "parked"});
  EXPECT_EQ(0U, runtime::process_start_time(pid));  // gone, or a zombie of whoever adopted it
  EXPECT_THAT(cgroups_of("parked"), IsEmpty());
  EXPECT_EQ(before, host_state());
}

TEST_F(KillDeleteTest, AnUnknownIdIsAnErrorOnlyWithoutForce) {
  const auto plain = berth({"delete", "nobody"});
  EXPECT_EQ(1, plain.exit_status);
  EXPECT_THAT(plain.error, HasSubstr("container does not exist"));
  EXPECT_EQ(0, berth({"delete", "--force", "nobody"}).exit_status);
}

TEST_F(KillDeleteTest, ADirectoryWithoutAValidStateIsRemovedByForce) {
  base::make_directories("/run/berth/broken", 0711);
  base::write_file_atomic("/run/berth/broken/state.json", "{", 0600);
  EXPECT_THAT(berth({"delete", "broken"}).error, HasSubstr("container does not exist"));
  must_berth({"delete", "--force", "broken"});
  EXPECT_FALSE(exists("/run/berth/broken"));
}

TEST_F(KillDeleteTest, PoststopHooksSeeAStoppedContainerWhoseResourcesAreGone) {
  const std::string seen = scratch() + "/seen";
  run_sleeper("gone", with_hook("poststop",
                                "cat > " + seen + "; find /sys/fs/cgroup -type d -name gone > " + seen + ".cgroups"));
  must_berth({"delete", "--force", "gone"});
  const Json state = Json::parse(base::read_file(seen));
  EXPECT_EQ("stopped", state["status"]);
  EXPECT_FALSE(state.contains("pid"));
  EXPECT_EQ("gone", state["id"]);
  EXPECT_EQ("", base::read_file(seen + ".cgroups"));
}

TEST_F(KillDeleteTest, AFailedPoststopHookIsAWarningAndTheOthersRun) {
  const std::string ran = scratch() + "/ran";
  run_sleeper("c", [&](Json& spec) {
    spec["hooks"]["poststop"] = Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", "echo broken >&2; exit 4"}}},
                                             {{"path", "/bin/sh"}, {"args", {"sh", "-c", "touch " + ran}}}});
  });
  const auto result = berth({"delete", "--force", "c"});
  EXPECT_EQ(0, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("error running poststop hook #0: exit status 4"));
  EXPECT_THAT(result.error, HasSubstr("broken"));
  EXPECT_TRUE(exists(ran));
  EXPECT_FALSE(exists("/run/berth/c"));
}

TEST_F(KillDeleteTest, OfManyDeletesAtOnceOneDeletes) {
  const std::string log = scratch() + "/log";
  must_berth({"create", "--bundle", bundle({"true"}, with_hook("poststop", "sleep 0.3; echo ran >> " + log)), "c"});
  std::atomic<int> deleted = 0;
  std::atomic<int> unknown = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto result = berth({"delete", "c"});
      if (result.ok()) ++deleted;
      if (result.error.find("container does not exist") != std::string::npos) ++unknown;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(1, deleted);
  EXPECT_EQ(5, unknown);
  EXPECT_EQ("ran\n", base::read_file(log));
}

TEST_F(KillDeleteTest, OfManyCreatesWithOneIdOneCreates) {
  const std::string path = bundle({"true"});
  const std::string before = host_state();
  std::atomic<int> created = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      const auto result = berth({"create", "--bundle", path, "c"});
      if (result.ok()) ++created;
      if (result.error.find("container with given ID already exists") != std::string::npos) ++refused;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(1, created);
  EXPECT_EQ(5, refused);
  must_berth({"start", "c"});
  must_berth({"delete", "--force", "c"});
  EXPECT_EQ(before, host_state());
}

}  // namespace
}  // namespace berth::test
