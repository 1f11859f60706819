#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// `berth create` that fails: the sentence, and nothing left behind.
class CreateTest : public Sandbox {
 protected:
  using Edit = std::function<void(Json&)>;

  std::string bundle(const Edit& edit, const std::vector<std::string>& args = {"/bin/true"}) {
    Json spec = Json::parse(busybox_spec(args));
    edit(spec);
    return make_bundle(scratch() + "/bundle", spec.dump());
  }

  base::CommandResult berth(std::vector<std::string> words) const {
    words.insert(words.begin(), {built("berth"), "--root", scratch() + "/state"});
    return run(words);
  }

  void expect_failure(const Edit& edit, const std::string& text, const std::vector<std::string>& args = {"/bin/true"}) {
    const std::string directory = bundle(edit, args);
    const std::string before = host_state();
    const auto result = berth({"create", "--bundle", directory, id()});
    EXPECT_FALSE(result.ok());
    EXPECT_THAT(unquoted(result.error), HasSubstr(text));
    expect_nothing_left();
    EXPECT_EQ(host_state(), before);
  }

  /// The message in a line of the log, where its own quotes are escaped.
  static std::string unquoted(std::string text) {
    std::erase(text, '\\');
    return text;
  }

  void expect_nothing_left() const {
    EXPECT_FALSE(std::filesystem::exists(scratch() + "/state/" + id()));
    EXPECT_THAT(cgroups_of(id()), IsEmpty());
  }

  static std::string id() { return "create-test-" + std::to_string(::getpid()); }
};

TEST_F(CreateTest, AProgramMissingInPathIsNamed) {
  expect_failure([](Json&) {}, "exec: \"nope\": executable file not found in $PATH", {"nope"});
}

TEST_F(CreateTest, AMissingAbsolutePathIsNamed) {
  expect_failure([](Json&) {}, "exec: \"/nope\": stat /nope: no such file or directory", {"/nope"});
}

TEST_F(CreateTest, ADirectoryIsNoProgram) {
  expect_failure([](Json&) {}, "exec: \"/etc\": is a directory", {"/etc"});
}

TEST_F(CreateTest, AFileWithoutTheExecuteBitIsNoProgram) {
  expect_failure([](Json&) {}, "exec: \"/etc/passwd\": permission denied", {"/etc/passwd"});
}

TEST_F(CreateTest, AProgramOnAFileSystemWithoutExecutablesIsExplained) {
  expect_failure(
      [](Json& spec) {
        spec["mounts"].push_back(
            {{"destination", "/data"}, {"type", "bind"}, {"source", "rootfs/bin"}, {"options", {"bind", "noexec"}}});
      },
      "exec: \"/data/busybox\": permission denied (its file system is mounted noexec)", {"/data/busybox"});
}

/// By this text clients know exit status 127.
TEST_F(CreateTest, WhatPathLeadsToAndCannotBeExecutedIsNotFoundAsWithRunc) {
  const Edit path_to_none = [](Json& spec) { spec["process"]["env"] = {"PATH=/etc"}; };
  const std::string missing = "exec: \"passwd\": executable file not found in $PATH";
  expect_failure(path_to_none, missing, {"passwd"});
  const auto runc = system_program("runc");
  if (runc.empty()) return;
  const auto theirs = run({runc, "--root", scratch() + "/runc", "create", "--bundle", scratch() + "/bundle", id()});
  EXPECT_THAT(unquoted(theirs.error), HasSubstr(missing));
}

TEST_F(CreateTest, AWorkingDirectoryBelowAFileIsRefused) {
  expect_failure([](Json& spec) { spec["process"]["cwd"] = "/etc/passwd"; }, "not a directory");
}

TEST_F(CreateTest, AMissingRootFileSystemIsNamed) {
  expect_failure([](Json& spec) { spec["root"]["path"] = "gone"; },
                 "berth create failed: invalid rootfs: stat " + scratch() + "/bundle/gone: no such file or directory");
  expect_failure([](Json& spec) { spec["root"]["path"] = "config.json"; }, "/bundle/config.json: not a directory");
}

TEST_F(CreateTest, AMissingBindSourceIsNamed) {
  expect_failure(
      [](Json& spec) {
        spec["mounts"].push_back(
            {{"destination", "/mnt"}, {"type", "bind"}, {"source", "/no/such"}, {"options", {"bind"}}});
      },
      "error mounting \"/no/such\" to rootfs at \"/mnt\"");
}

TEST_F(CreateTest, ANamespaceListedTwiceIsRefused) {
  expect_failure([](Json& spec) { spec["linux"]["namespaces"].push_back({{"type", "pid"}}); }, "duplicated ns");
}

TEST_F(CreateTest, ASysctlOfTheHostIsRefused) {
  expect_failure(
      [](Json& spec) {
        spec["linux"]["sysctl"] = {{"kernel.foo", "1"}};
      },
      "sysctl \"kernel.foo\" is not in a separate kernel namespace");
}

TEST_F(CreateTest, TheWorkingDirectoryCannotBeADescriptorOfTheHost) {
  for (const char* fd : {"3", "5", "7", "8"}) {
    const std::string directory =
        bundle([&](Json& spec) { spec["process"]["cwd"] = std::string("/proc/self/fd/") + fd; });
    EXPECT_NE(berth({"run", "--bundle", directory, id()}).exit_status, 0) << "descriptor " << fd;
    expect_nothing_left();
  }
}

TEST_F(CreateTest, TheSameIdTwiceIsRefusedAndTheFirstContainerLives) {
  const std::string directory = bundle([](Json&) {});
  ASSERT_EQ(berth({"create", "--bundle", directory, id()}).exit_status, 0);
  const auto second = berth({"create", "--bundle", directory, id()});
  EXPECT_FALSE(second.ok());
  EXPECT_THAT(second.error, HasSubstr("container with given ID already exists"));
  EXPECT_THAT(berth({"state", id()}).output, HasSubstr("\"created\""));
  EXPECT_EQ(berth({"delete", "--force", id()}).exit_status, 0);
  expect_nothing_left();
}

TEST_F(CreateTest, PoststopHooksRunAfterAFailedCreateRuntimeHook) {
  const std::string mark = scratch() + "/poststop";
  expect_failure(
      [&](Json& spec) {
        spec["hooks"] = {{"createRuntime", Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", "exit 3"}}}})},
                         {"poststop", Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", "echo > " + mark}}}})}};
      },
      "exit status 3, stdout: ");
  EXPECT_TRUE(std::filesystem::exists(mark));
}

TEST_F(CreateTest, DeleteForceClearsUpAfterACreateThatWasKilled) {
  const std::string mark = scratch() + "/hook-runs";
  const std::string directory = bundle([&](Json& spec) {
    spec["hooks"]["createRuntime"] = Json::array(
        {{{"path", "/bin/sh"}, {"args", {"sh", "-c", "echo > " + mark + "; exec sleep 3"}}, {"env", {"PATH=/bin"}}}});
  });
  const std::string before = host_state();
  {
    Background create({built("berth"), "--root", scratch() + "/state", "create", "--bundle", directory, id()});
    for (int i = 0; i < 200 && !std::filesystem::exists(mark); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ASSERT_TRUE(std::filesystem::exists(mark));
    ::kill(create.pid(), SIGKILL);
  }
  const auto removed = berth({"delete", "--force", id()});
  EXPECT_EQ(removed.exit_status, 0) << removed.error;
  expect_nothing_left();
  EXPECT_EQ(host_state(), before);
}

TEST_F(CreateTest, ARootThatIsASymbolicLinkIsRefusedAsByRunc) {
  const std::string path = bundle([](Json& spec) { spec["root"]["path"] = "link"; });
  ASSERT_EQ(0, ::symlink("rootfs", (path + "/link").c_str()));
  const auto ours = berth({"create", "--bundle", path, id()});
  EXPECT_EQ(1, ours.exit_status);
  EXPECT_THAT(ours.error, HasSubstr("invalid rootfs: " + path + "/link: not an absolute path, or a symlink"));
  expect_nothing_left();
  const auto runc = system_program("runc");
  if (runc.empty()) return;
  const auto theirs = run({runc, "--root", scratch() + "/runc", "create", "--bundle", path, id()});
  EXPECT_EQ(1, theirs.exit_status);
  EXPECT_THAT(theirs.error, HasSubstr("invalid rootfs: not an absolute path, or a symlink"));
}

TEST_F(CreateTest, WithDebugTheLogSaysWhatIsBeingDone) {
  const std::string path = bundle(
      [](Json& spec) {
        spec["hooks"] = {{"createRuntime", {{{"path", "/bin/true"}}}}, {"poststop", {{{"path", "/bin/true"}}}}};
      },
      {"echo", "hello"});
  const auto log = scratch() + "/log";
  const std::vector<std::string> words{"--log", log, "--log-format", "json", "run", "--bundle", path, id()};
  EXPECT_EQ("hello\n", berth(words).output);
  EXPECT_EQ("", base::read_file(log));
  std::vector<std::string> debugging{"--debug"};
  debugging.insert(debugging.end(), words.begin(), words.end());
  const auto result = berth(debugging);
  EXPECT_EQ("hello\n", result.output);
  EXPECT_EQ("", result.error);
  std::vector<std::string> steps;
  for (const auto& line : base::split(base::read_file(log), '\n')) {
    const auto record = Json::parse(line);
    EXPECT_EQ("debug", record["level"]);
    steps.push_back(record["msg"].get<std::string>());
  }
  const std::string container = "container " + id() + ": ";
  EXPECT_THAT(steps, ElementsAre("command run", HasSubstr(container + "made process "),
                                 container + "its root file system is mounted", "createRuntime hook #0: /bin/true",
                                 container + "created", container + "started", "poststop hook #0: /bin/true",
                                 container + "deleted"));
}

/// The link may lead elsewhere by the time that hooks of the end look for the bundle.
TEST_F(CreateTest, ABundleBehindASymbolicLinkIsKnownByItsOwnPath) {
  const std::string path = bundle([](Json& spec) { spec["root"]["path"] = "./rootfs/"; });
  base::make_directories(scratch() + "/elsewhere", 0755);
  const std::string link = scratch() + "/elsewhere/link";
  ASSERT_EQ(0, ::symlink((path + "/rootfs").c_str(), link.c_str()));
  RunOptions in_root;
  in_root.working_directory = path + "/rootfs";
  std::vector<std::vector<std::string>> runtimes{{built("berth"), "--root", scratch() + "/state"}};
  if (const auto runc = system_program("runc"); !runc.empty())
    runtimes.push_back({runc, "--root", scratch() + "/runc"});
  for (const auto& runtime : runtimes) {
    // Beside the link there is nothing: ".." is where the link leads, as for every other program.
    for (const auto& way : {link + "/..", std::string(".."), scratch() + "//elsewhere/../bundle/."}) {
      const auto call = [&](std::vector<std::string> words) {
        words.insert(words.begin(), runtime.begin(), runtime.end());
        return run(words, in_root);
      };
      const auto created = call({"create", "--bundle", way, id()});
      EXPECT_TRUE(created.ok()) << runtime[0] << " " << way << ": " << created.error;
      const auto state = Json::parse(call({"state", id()}).output);
      EXPECT_EQ(path, state["bundle"]);
      EXPECT_EQ(path + "/rootfs", state["rootfs"]);
      EXPECT_TRUE(call({"delete", "--force", id()}).ok());
    }
  }
}

TEST_F(CreateTest, CapabilitiesThatCannotBeGivenAreSaidAndLeftOut) {
  const std::string path = bundle(
      [](Json& spec) {
        for (const char* set : {"bounding", "effective", "permitted"})
          spec["process"]["capabilities"][set] = {"CAP_FOO", "CAP_KILL", "CAP_SYS_TIME"};
      },
      {"grep", "CapEff", "/proc/self/status"});
  const std::vector<std::string> words{built("berth"), "--root", scratch() + "/state", "run", "--bundle", path, id()};
  const auto all = run(words);
  EXPECT_EQ("CapEff:\t0000000002000020\n", all.output);
  EXPECT_THAT(all.error, HasSubstr("level=warning msg=\"ignoring unknown or unavailable capabilities: [CAP_FOO]\""));
  std::vector<std::string> less{"setpriv", "--bounding-set", "-sys_time", "--inh-caps", "-all"};
  less.insert(less.end(), words.begin(), words.end());
  const auto some = run(less);
  EXPECT_EQ("CapEff:\t0000000000000020\n", some.output);
  EXPECT_THAT(some.error, HasSubstr("ignoring unknown or unavailable capabilities: [CAP_FOO CAP_SYS_TIME]"));
}

TEST_F(CreateTest, AVersionOfTheSpecificationThatIsNoneOrFromAnotherWorldIsRefused) {
  for (const auto& [version, text] : {std::pair{"", "ociVersion: \"\" is not a version"},
                                      {"latest", "ociVersion: \"latest\" is not a version"},
                                      {"2.0.0", "ociVersion: version 2.0.0 is not supported (only 1.x)"}})
    expect_failure([&](Json& spec) { spec["ociVersion"] = version; }, text);
  const std::string path = bundle([](Json& spec) { spec["ociVersion"] = "1.99.0-rc.1+later"; });
  EXPECT_TRUE(berth({"run", "--bundle", path, id()}).ok());
}

}  // namespace
}  // namespace berth::test
