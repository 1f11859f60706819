// pause, resume and ps, beside Debian's runc where both can say something.

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PauseTest : public ContainerSandbox {
 protected:
  /// A container whose program counts in a file; returns the file.
  std::string run_counter(const std::string& id) const {
    const auto directory = shell_bundle("i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.01; done",
                                        [](base::Json& spec) { spec["root"]["readonly"] = false; });
    must_berth({"run", "--detach", "--bundle", directory, id});
    return directory + "/rootfs/count";
  }

  static bool goes_on(const std::string& file) {
    const auto before = base::read_file(file);
    return eventually([&] { return base::read_file(file) != before; });
  }

  static bool stands_still(const std::string& file) {
    const auto before = base::read_file(file);
    ::usleep(200'000);
    return base::read_file(file) == before;
  }

  static void expect_error(const std::vector<std::string>& words, const std::string& message) {
    const auto result = berth(words);
    EXPECT_EQ(1, result.exit_status) << words.front();
    EXPECT_THAT(result.error, HasSubstr(message)) << words.front();
    EXPECT_EQ("", result.output);
  }
};

TEST_F(PauseTest, APausedContainerStandsStillUntilItIsResumed) {
  const auto count = run_counter("c");
  ASSERT_TRUE(eventually([&] { return exists(count); }));
  must_berth({"pause", "c"});
  EXPECT_EQ("paused", status_of("c"));
  EXPECT_TRUE(stands_still(count));
  expect_error({"pause", "c"}, "container not running");
  must_berth({"resume", "c"});
  EXPECT_EQ("running", status_of("c"));
  EXPECT_TRUE(goes_on(count));
  expect_error({"resume", "c"}, "container not paused");
  must_berth({"delete", "--force", "c"});
}

TEST_F(PauseTest, ACreatedContainerIsStillCreatedAfterwards) {
  must_berth({"create", "--bundle", bundle({"true"}), "c"});
  must_berth({"pause", "c"});
  EXPECT_EQ("paused", status_of("c"));
  expect_error({"start", "c"}, "cannot start a container in the paused state");
  must_berth({"resume", "c"});
  EXPECT_EQ("created", status_of("c"));
  must_berth({"start", "c"});
  EXPECT_TRUE(eventually([] { return status_of("c") == "stopped"; }));
  must_berth({"delete", "c"});
}

TEST_F(PauseTest, WhatIsStoppedOrUnknownCannotBePaused) {
  run_sleeper("c");
  must_berth({"kill", "c", "KILL"});
  ASSERT_TRUE(eventually([] { return status_of("c") == "stopped"; }));
  expect_error({"pause", "c"}, "container not running");
  expect_error({"resume", "c"}, "container not paused");
  expect_error({"pause", "nobody"}, "container does not exist");
  expect_error({"resume", "nobody"}, "container does not exist");
  must_berth({"delete", "c"});
}

TEST_F(PauseTest, APausedContainerIsKilledAndDeletedByForce) {
  run_sleeper("held");
  must_berth({"pause", "held"});
  expect_error({"delete", "held"}, "is not stopped: paused");
  must_berth({"delete", "--force", "held"});
  EXPECT_THAT(cgroups_of("held"), ::testing::IsEmpty());
  run_sleeper("held");
  must_berth({"pause", "held"});
  must_berth({"kill", "held", "KILL"});
  EXPECT_TRUE(eventually([] { return status_of("held") == "stopped"; }));
  must_berth({"delete", "held"});
}

TEST_F(PauseTest, AContainerWithoutACgroupCannotBePaused) {
  must_berth({"--cgroup-manager", "disabled", "run", "--detach", "--bundle", bundle({"sleep", "1000"}), "c"});
  expect_error({"pause", "c"}, "cannot pause a container that has no cgroup");
  must_berth({"delete", "--force", "c"});
}

class PsTest : public PauseTest {};

TEST_F(PsTest, ListsTheProcessesOfTheContainerAlone) {
  run_sleeper("c");
  must_berth({"exec", "--detach", "c", "sleep", "2000"});
  const auto pid = std::to_string(pid_of("c"));
  const auto table = must_berth({"ps", "c"});
  EXPECT_THAT(table, ::testing::StartsWith("UID"));
  EXPECT_THAT(table, HasSubstr(" " + pid + " "));
  EXPECT_THAT(table, HasSubstr("sleep 2000"));
  EXPECT_EQ(3, std::count(table.begin(), table.end(), '\n')) << table;
  const auto pids = base::Json::parse(must_berth({"ps", "--format", "json", "c"}));
  EXPECT_EQ(2U, pids.size());
  EXPECT_THAT(pids, ::testing::Contains(pid_of("c")));
  must_berth({"delete", "--force", "c"});
}

TEST_F(PsTest, PassesOnTheOptionsOfPs) {
  run_sleeper("c");
  const auto table = must_berth({"ps", "c", "-o", "pid,comm", "-A"});
  EXPECT_THAT(table, Not(HasSubstr("UID")));
  EXPECT_THAT(table, HasSubstr(std::to_string(pid_of("c")) + " sleep"));
  expect_error({"ps", "c", "-o", "comm"}, "couldn't find PID field in ps output");
  expect_error({"ps", "c", "--no-such-option"}, "exit status 1");
  expect_error({"ps", "--format", "yaml", "c"}, "invalid format option");
  must_berth({"delete", "--force", "c"});
}

TEST_F(PsTest, AStoppedContainerHasNone) {
  run_sleeper("c");
  must_berth({"kill", "c", "KILL"});
  ASSERT_TRUE(eventually([] { return status_of("c") == "stopped"; }));
  EXPECT_EQ("null\n", must_berth({"ps", "--format", "json", "c"}));
  const auto table = must_berth({"ps", "c"});
  EXPECT_EQ(1, std::count(table.begin(), table.end(), '\n')) << table;
  expect_error({"ps", "nobody"}, "container does not exist");
  must_berth({"delete", "c"});
}

/// The same words in both, the id last: what they print and their exit status.
TEST_F(PauseTest, BothAnswerAsRuncDoes) {
  const std::string runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  const auto path = bundle({"sleep", "1000"});
  std::string said[2];
  for (int i = 0; i < 2; ++i) {
    const auto call = [&](const std::vector<std::string>& words) {
      auto argv = i == 0 ? berth_command(words) : std::vector<std::string>{runc, "--root", "/run/runc"};
      if (i == 1) argv.insert(argv.end(), words.begin(), words.end());
      const auto result = run(argv);
      const auto message = result.error.find("msg=");
      said[i] += words.front() + " " + result.status_text() + " " +
                 (message == std::string::npos ? "" : result.error.substr(message)) + "\n";
      return result.output;
    };
    const std::string id = i == 0 ? "ours" : "theirs";
    call({"run", "--detach", "--bundle", path, id});
    for (const char* word : {"resume", "pause", "pause", "resume", "resume"}) {
      call({word, id});
      said[i] += base::Json::parse(call({"state", id}))["status"].get<std::string>() + "\n";
    }
    const auto table = call({"ps", id, "-A", "-o", "comm,pid"});
    said[i] += table.substr(0, table.find_last_of(' '));
    call({"kill", id, "KILL"});
    ASSERT_TRUE(eventually([&] { return base::Json::parse(call({"state", id}))["status"] == "stopped"; }));
    said[i] = said[i].substr(0, said[i].find("kill "));
    said[i] += call({"ps", "--format", "json", id});
    for (const char* word : {"pause", "resume"}) call({word, id});
    call({"delete", id});
  }
  EXPECT_EQ(said[1], said[0]);
}

TEST_F(PauseTest, AnExecThatIgnoresThePauseRunsOnceTheContainerIsResumed) {
  run_sleeper("ignored");
  must_berth({"pause", "ignored"});
  const auto refused = berth({"exec", "ignored", "true"});
  EXPECT_EQ(255, refused.exit_status);
  EXPECT_THAT(refused.error, HasSubstr("cannot exec in a paused container (use --ignore-paused to override)"));
  const std::string done = scratch() + "/ignored/rootfs/done";
  Child exec(berth_command({"exec", "--ignore-paused", "ignored", "sh", "-c", "echo here > /done; exit 5"}));
  ::usleep(200'000);
  EXPECT_FALSE(exists(done)) << "it ran in a paused container";
  EXPECT_EQ("paused", status_of("ignored"));
  must_berth({"resume", "ignored"});
  EXPECT_EQ(5, exec.wait());
  EXPECT_EQ("here\n", base::read_file(done));
  must_berth({"delete", "--force", "ignored"});
}

}  // namespace
}  // namespace berth::test
