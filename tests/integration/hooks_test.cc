#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "container/hooks.h"
#include "support/programs.h"

namespace berth::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

/// Hooks are shell scripts in a directory that is removed at the end.
class HooksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "berth-hooks-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    state_.id = "web";
    state_.status = "created";
    state_.pid = 42;
    state_.bundle = directory_;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static oci::Hook shell(const std::string& script) {
    oci::Hook hook;
    hook.path = "/bin/sh";
    hook.args = {"sh", "-c", script};
    return hook;
  }

  void run(const std::vector<oci::Hook>& hooks) { run_hooks("createRuntime", hooks, state_, directory_); }

  std::string error_of(const std::vector<oci::Hook>& hooks) {
    try {
      run(hooks);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  }

  std::string content(const std::string& name) const { return base::read_file(directory_ + "/" + name); }
  bool exists(const std::string& name) const { return std::filesystem::exists(directory_ + "/" + name); }

  std::string directory_;
  oci::State state_;
};

TEST_F(HooksTest, HooksRunInOrderInTheWorkingDirectory) {
  run({shell("echo first >> order"), shell("sleep 0.05; echo second >> order"),
       shell("echo third >> order; pwd > cwd")});
  EXPECT_EQ(content("order"), "first\nsecond\nthird\n");
  EXPECT_EQ(content("cwd"), directory_ + "\n");
}

TEST_F(HooksTest, TheStateIsOnStdin) {
  run({shell("cat > state")});
  const auto state = oci::State::from_json(content("state"));
  EXPECT_EQ(state.id, "web");
  EXPECT_EQ(state.status, "created");
  EXPECT_EQ(state.pid, 42);
  EXPECT_EQ(state.bundle, directory_);
}

TEST_F(HooksTest, AHookWithoutEnvironmentGetsTheRuntimesAndItsStage) {
  ::setenv("BERTH_HOOKS_TEST", "inherited", 1);
  run({shell("echo $BERTH_HOOKS_TEST $OCI_HOOK_STAGE > env")});
  EXPECT_EQ(content("env"), "inherited createRuntime\n");
}

TEST_F(HooksTest, AHooksOwnEnvironmentReplacesTheRuntimes) {
  ::setenv("BERTH_HOOKS_TEST", "inherited", 1);
  auto hook = shell("echo [$BERTH_HOOKS_TEST] $MINE $OCI_HOOK_STAGE > env");
  hook.env = std::vector<std::string>{"PATH=/usr/bin:/bin", "MINE=own", "OCI_HOOK_STAGE=forged"};
  run({hook});
  EXPECT_EQ(content("env"), "[] own createRuntime\n");
}

TEST_F(HooksTest, AFailureNamesStageIndexPathStatusAndOutput) {
  const std::string error = error_of({shell("true"), shell("echo out; echo reason >&2; exit 3"), shell("touch later")});
  EXPECT_THAT(error, StartsWith("error running createRuntime hook #1: exit status 3, stdout: out"));
  EXPECT_THAT(error, HasSubstr("stderr: reason"));
  EXPECT_THAT(error, HasSubstr("path: /bin/sh"));
  EXPECT_FALSE(exists("later"));
}

TEST_F(HooksTest, LongOutputIsQuotedFromItsEnd) {
  const std::string error = error_of({shell("head -c 100000 /dev/zero | tr '\\0' x >&2; echo the-end >&2; exit 1")});
  EXPECT_LT(error.size(), 10'000U);
  EXPECT_THAT(error, HasSubstr("the-end"));
}

TEST_F(HooksTest, AMissingProgramIsNamed) {
  oci::Hook hook;
  hook.path = "/nonexistent/hook";
  const std::string error = error_of({hook});
  EXPECT_THAT(error, StartsWith("error running createRuntime hook #0: run /nonexistent/hook: "));
  EXPECT_THAT(error, HasSubstr("no such file or directory"));
}

TEST_F(HooksTest, AHookPastItsTimeoutIsKilledWithItsChildren) {
  auto hook = shell("(sleep 3; touch survived) & sleep 30");
  hook.timeout = 1;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(error_of({hook}), StartsWith("error running createRuntime hook #0: "
                                           "hook ran past specified timeout of 1.0s"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  ::sleep(3);
  EXPECT_FALSE(exists("survived"));
}

TEST_F(HooksTest, AGrandchildThatKeepsThePipesOpenDelaysNothing) {
  const auto begin = std::chrono::steady_clock::now();
  run({shell("sleep 5 & exit 0")});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST_F(HooksTest, AHookNeedNotReadItsStdin) {
  state_.annotations["big"] = std::string(1 << 20, 'x');
  run({shell("exec <&-; touch ran")});
  EXPECT_TRUE(exists("ran"));
}

TEST_F(HooksTest, CleanUpRunsEveryHookAndReportsTheFailures) {
  const auto failures =
      run_all_hooks("poststop", {shell("exit 1"), shell("touch second"), shell("exit 2")}, state_, directory_);
  ASSERT_THAT(failures, SizeIs(2));
  EXPECT_THAT(failures[0], StartsWith("error running poststop hook #0: exit status 1"));
  EXPECT_THAT(failures[1], StartsWith("error running poststop hook #2: exit status 2"));
  EXPECT_TRUE(exists("second"));
}

}  // namespace
}  // namespace berth::runtime
