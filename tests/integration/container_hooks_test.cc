// Hooks in the life of a container (oci-runtime.md 2.10), beside Debian's runc where both agree.

#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/orphans.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ContainerHooksTest : public ContainerSandbox {
 protected:
  void TearDown() override {
    for (const char* id : {"c", "held"}) berth({"delete", "--force", id});
    ContainerSandbox::TearDown();
  }

  static Json hook(const std::string& script) {
    return {{"path", "/bin/sh"}, {"args", {"sh", "-c", script}}, {"env", {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}}};
  }

  /// Adds a hook that writes down its stage, and what `more` says of it.
  void record(Json& spec, const std::string& stage, const std::string& more = "") const {
    const std::string file = stage == "startContainer" ? "/tmp/log" : log_path();
    spec["hooks"][stage].push_back(hook("echo " + stage + " " + more + " >> " + file));
  }

  std::string log_path() const { return scratch() + "/log"; }
  std::string log() const { return exists(log_path()) ? base::read_file(log_path()) : ""; }

  void expect_failure(const std::string& path, const std::string& text) {
    const auto result = berth({"create", "--bundle", path, "c"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(text));
    EXPECT_FALSE(exists("/run/berth/c"));
  }
};

TEST_F(ContainerHooksTest, EachSeesTheStatusOfItsStageAsWithRunc) {
  const std::string status = "$(sed 's/.*\"status\":\"\\([a-z]*\\)\".*/\\1/')";
  const auto path = bundle({"cat", "/tmp/log"}, [&](Json& spec) {
    for (const char* stage : {"prestart", "createRuntime", "createContainer", "startContainer", "poststop"})
      record(spec, stage, status);
  });
  const auto story = [&](const std::vector<std::string>& command) {
    auto result = must_run(command);
    result = log() + result;
    std::filesystem::remove(log_path());
    std::filesystem::remove(path + "/rootfs/tmp/log");
    return result;
  };
  const auto ours = story(berth_command({"run", "--bundle", path, "c"}));
  EXPECT_EQ(
      "prestart creating\ncreateRuntime creating\ncreateContainer creating\npoststop stopped\nstartContainer created\n",
      ours);
  const auto runc = system_program("runc");
  if (runc.empty()) return;
  EXPECT_EQ(story({runc, "--root", "/run/runc", "run", "--bundle", path, "theirs"}), ours);
}

TEST_F(ContainerHooksTest, PoststopRunsAfterACreateThatFailedWhereverItFailed) {
  const Edit mount = [](Json& spec) {
    spec["mounts"].push_back({{"destination", "/x"}, {"type", "bind"}, {"source", "/nope"}, {"options", {"bind"}}});
  };
  const Edit program = [](Json& spec) { spec["process"]["args"] = {"/nope"}; };
  const Edit create_container = [](Json& spec) { spec["hooks"]["createContainer"] = Json::array({hook("exit 7")}); };
  for (const auto& [edit, text] : {std::pair<Edit, const char*>{mount, "error mounting"},
                                   {program, "stat /nope"},
                                   {create_container, "exit status 7"}}) {
    SCOPED_TRACE(text);
    expect_failure(bundle({"true"},
                          [&, edit = edit](Json& spec) {
                            edit(spec);
                            record(spec, "poststop", "$(sed 's/.*\"status\":\"\\([a-z]*\\)\".*/\\1/')");
                          }),
                   text);
    EXPECT_EQ("poststop stopped\n", log());
    std::filesystem::remove(log_path());
  }
}

TEST_F(ContainerHooksTest, PoststopFindsTheProcessAndTheCgroupGone) {
  const auto path = bundle({"/nope"}, [&](Json& spec) {
    spec["linux"]["cgroupsPath"] = "/berth-hooks-test-" + std::to_string(::getpid());
    spec["hooks"]["createRuntime"] =
        Json::array({hook("sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' > " + scratch() + "/pid")});
    spec["hooks"]["poststop"] = Json::array(
        {hook("{ kill -0 $(cat " + scratch() + "/pid) 2>/dev/null && echo alive; ls -d /sys/fs/cgroup/*" +
              spec["linux"]["cgroupsPath"].get<std::string>() + " /sys/fs/cgroup" +
              spec["linux"]["cgroupsPath"].get<std::string>() + " 2>/dev/null; echo ran; } > " + log_path())});
  });
  expect_failure(path, "stat /nope");
  EXPECT_EQ("ran\n", log());
}

TEST_F(ContainerHooksTest, NothingOfACreateThatNeverBeganIsStopped) {
  const auto path = bundle({"sleep", "1000"}, [&](Json& spec) { record(spec, "poststop"); });
  must_berth({"run", "--detach", "--bundle", path, "c"});
  EXPECT_THAT(berth({"create", "--bundle", path, "c"}).error, HasSubstr("container with given ID already exists"));
  EXPECT_EQ("", log());
  EXPECT_EQ("running", status_of("c"));
}

TEST_F(ContainerHooksTest, AHookThatForksAndHoldsItsPipesDelaysNothing) {
  const auto path = bundle({"true"}, [&](Json& spec) {
    for (const char* stage : {"createRuntime", "createContainer", "poststart", "poststop"})
      spec["hooks"][stage] = Json::array({hook("sleep 20 & echo " + std::string(stage) + " >> " + log_path())});
  });
  const auto begin = std::chrono::steady_clock::now();
  must_berth({"create", "--bundle", path, "held"});
  must_berth({"start", "held"});
  must_berth({"delete", "--force", "held"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_EQ("createRuntime\ncreateContainer\npoststart\npoststop\n", log());
}

TEST_F(ContainerHooksTest, AFailureSaysStageIndexStatusAndOutput) {
  const auto path = bundle({"true"}, [&](Json& spec) {
    spec["hooks"]["createRuntime"] = Json::array({hook("exit 0"), hook("echo said; echo the reason >&2; exit 3")});
  });
  expect_failure(path, "error running createRuntime hook #1: exit status 3, stdout: said");
  EXPECT_THAT(berth({"create", "--bundle", path, "c"}).error,
              AllOf(HasSubstr("stderr: the reason"), HasSubstr("path: /bin/sh")));
}

TEST_F(ContainerHooksTest, AFailedStartContainerHookEndsTheContainer) {
  const auto path = bundle({"echo", "never"}, [&](Json& spec) {
    spec["hooks"]["startContainer"] = Json::array({hook("echo why >&2; exit 4")});
    record(spec, "poststop");
  });
  const auto result = berth({"run", "--bundle", path, "c"});
  EXPECT_NE(0, result.exit_status);
  EXPECT_THAT(result.output, Not(HasSubstr("never")));
  EXPECT_THAT(result.error, AllOf(HasSubstr("error running startContainer hook #0: exit status 4"), HasSubstr("why")));
  EXPECT_EQ("poststop\n", log());
}

TEST_F(ContainerHooksTest, AFailedPoststartHookEndsTheContainer) {
  const auto path = bundle({"sleep", "1000"}, [&](Json& spec) {
    spec["hooks"]["poststart"] = Json::array({hook("exit 5")});
    record(spec, "poststop");
  });
  must_berth({"create", "--bundle", path, "c"});
  const auto result = berth({"start", "c"});
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("error running poststart hook #0: exit status 5"));
  EXPECT_FALSE(exists("/run/berth/c"));
  EXPECT_EQ("poststop\n", log());
}

TEST_F(ContainerHooksTest, NoDescriptorOfTheRuntimeReachesAHook) {
  const auto path = bundle({"true"}, [&](Json& spec) {
    for (const char* stage : {"createRuntime", "createContainer", "poststop"})
      spec["hooks"][stage] = Json::array({hook("ls /proc/self/fd | tr '\\n' ' ' >> " + log_path())});
  });
  must_berth({"run", "--bundle", path, "c"});
  // The fourth is the directory that ls reads.
  EXPECT_EQ("0 1 2 3 0 1 2 3 0 1 2 3 ", log());
}

/// What a hook leaves behind: its pipes have another holder for as long as that lives.
class LingeringHookTest : public ContainerHooksTest {
 protected:
  void SetUp() override {
    ContainerHooksTest::SetUp();
    if (!IsSkipped()) adopt_orphans();
  }
  void TearDown() override {
    ContainerHooksTest::TearDown();
    end_orphans();
  }

  void expect_quick(const std::string& script, bool with_timeout) {
    const auto path = bundle({"true"}, [&](Json& spec) {
      for (const char* stage : {"createRuntime", "createContainer", "poststop"}) {
        auto entry = hook(script);
        if (with_timeout) entry["timeout"] = 20;
        spec["hooks"][stage] = Json::array({entry});
      }
    });
    const auto start = std::chrono::steady_clock::now();
    const auto result = berth({"run", "--bundle", path, "c"});
    EXPECT_TRUE(result.ok()) << result.status_text() << ": " << result.error;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15)) << script;
    EXPECT_FALSE(exists("/run/berth/c"));
    end_orphans();
  }
};

TEST_F(LingeringHookTest, AHookThatDoesNotReadItsStateDoesNotEndBerth) {
  // Its stdin breaks, while SIGPIPE is blocked for the container's sake.
  for (int round = 0; round < 20; ++round) expect_quick("exec true", false);
}

TEST_F(LingeringHookTest, AChildThatHoldsItsPipesKeepsNobodyWaiting) {
  for (const bool with_timeout : {false, true}) expect_quick("sleep 1000 & exit 0", with_timeout);
}

TEST_F(LingeringHookTest, AChildThatFloodsItsPipesKeepsNobodyWaiting) {
  for (const bool with_timeout : {false, true}) expect_quick("yes & exit 0", with_timeout);
}

TEST_F(LingeringHookTest, AHookThatHangsBesideAChildOfItsOwnSessionEndsAtItsTimeout) {
  const auto path = bundle({"true"}, [&](Json& spec) {
    auto entry = hook("setsid sleep 1000 & sleep 1000");
    entry["timeout"] = 1;
    spec["hooks"]["createRuntime"] = Json::array({entry});
  });
  const auto start = std::chrono::steady_clock::now();
  expect_failure(path, "hook ran past specified timeout of 1.0s");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

}  // namespace
}  // namespace berth::test
