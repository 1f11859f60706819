#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth {
namespace {

namespace fs = std::filesystem;
using base::Json;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

/// The message of the last log record on stderr, without its time.
std::string message_of(const std::string& stderr_text) {
  const auto start = stderr_text.rfind("msg=");
  if (start == std::string::npos) return "(no record) " + stderr_text;
  auto message = stderr_text.substr(start + 4);
  while (message.ends_with('\n')) message.pop_back();
  // Debian's runc ends one of its messages with a line break.
  if (const auto escape = message.rfind("\\n\""); escape != std::string::npos && escape + 3 == message.size()) {
    message.replace(escape, 3, "\"");
  }
  return message;
}

/// Both runtimes call themselves by their names.
std::string with_our_name(std::string text) {
  for (size_t at = 0; (at = text.find("runc", at)) != std::string::npos; at += 5) text.replace(at, 4, "berth");
  return text;
}

/// A directory for --root, empty; nothing here needs the rights of root.
class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    char name[] = "/tmp/berth-cli-XXXXXX";
    directory_ = ::mkdtemp(name);
    root_ = directory_ + "/state";
  }
  ~CliTest() override { fs::remove_all(directory_); }

  base::CommandResult berth(Words words, const test::RunOptions& options = {}) const {
    words.insert(words.begin(), {test::built("berth"), "--root", root_});
    return test::run(words, options);
  }

  /// A bundle whose config.json is busybox_spec with the value at `pointer` replaced. There is no root file system:
  /// what is tested here fails before it is looked for.
  std::string bundle(const char* pointer, const char* value) const {
    auto json = Json::parse(test::busybox_spec({"true"}));
    json[Json::json_pointer(pointer)] = Json::parse(value);
    base::make_directories(directory_ + "/bundle", 0755);
    base::write_file_atomic(directory_ + "/bundle/config.json", json.dump(), 0644);
    return directory_ + "/bundle";
  }

  std::string directory_, root_;
};

class SameAsRuncTest : public CliTest, public ::testing::WithParamInterface<Words> {};

TEST_P(SameAsRuncTest, InExitStatusAndMessage) {
  if (test::system_program("runc").empty()) GTEST_SKIP() << "runc is not installed";
  test::RunOptions options;
  options.working_directory = directory_;
  base::write_file_atomic(directory_ + "/config.json", test::busybox_spec({"true"}), 0644);
  Words words = GetParam();
  words.insert(words.begin(), {"runc", "--root", root_});
  const auto theirs = test::run(words, options);
  const auto ours = berth(GetParam(), options);
  EXPECT_EQ(ours.exit_status, theirs.exit_status);
  if (theirs.ok()) {
    EXPECT_THAT(ours.error, IsEmpty());
  } else {
    EXPECT_EQ(message_of(ours.error), with_our_name(message_of(theirs.error)));
    EXPECT_EQ(ours.output.starts_with("Incorrect Usage"), theirs.output.starts_with("Incorrect Usage")) << ours.output;
  }
}

INSTANTIATE_TEST_SUITE_P(Arguments, SameAsRuncTest,
                         ::testing::Values(Words{"state"}, Words{"state", "a", "b"}, Words{"start"}, Words{"create"},
                                           Words{"run", "a", "b"}, Words{"kill"}, Words{"kill", "a", "TERM", "x"},
                                           Words{"delete"}, Words{"exec"}, Words{"list", "x"}, Words{"spec", "x"},
                                           Words{"features", "x"}));

INSTANTIATE_TEST_SUITE_P(Flags, SameAsRuncTest,
                         ::testing::Values(Words{"bogus"}, Words{"--bogus", "list"}, Words{"state", "--bogus", "x"},
                                           Words{"state", "-bogus=1", "x"}, Words{"create", "--bundle"},
                                           Words{"create", "-d", "x"}, Words{"list", "--quiet=maybe"},
                                           Words{"list", "-f", "yaml"}, Words{"create", "--preserve-fds", "x", "y"},
                                           Words{"exec", "-it", "x", "sh"}, Words{"--log-format", "xml", "list"},
                                           Words{"--log-format", "", "list"}, Words{"--rootless", "", "list"},
                                           Words{"--rootless", "AUTO", "list"}, Words{"--rootless=1", "list"},
                                           Words{"--systemd-cgroup=x", "list"}));

INSTANTIATE_TEST_SUITE_P(Containers, SameAsRuncTest,
                         ::testing::Values(Words{"state", "nope"}, Words{"start", "nope"}, Words{"kill", "nope"},
                                           Words{"kill", "nope", "FOO"}, Words{"delete", "nope"},
                                           Words{"delete", "--force", "nope"}, Words{"delete", "nope", "-f"},
                                           Words{"exec", "nope", "ls"}, Words{"state", "a/b"}, Words{"state", ""},
                                           Words{"create", "a/b"}, Words{"create", "a b"}, Words{"run", ".."},
                                           Words{"list"}, Words{"list", "-q"}, Words{"spec"}, Words{"spec", "-b", ""},
                                           Words{"-debug=false", "state", "nope"}, Words{"--criu", "/x", "list"}));

TEST_F(CliTest, AnEmptyRootIsAnEmptyList) {
  EXPECT_EQ(berth({"list"}).output, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  EXPECT_EQ(berth({"list", "--format", "json"}).output, "[]\n");
  EXPECT_EQ(berth({"list", "--quiet"}).output, "");
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(CliTest, UnreadableContainersAreReportedAndPassedOver) {
  base::make_directories(root_ + "/broken", 0700);
  const auto result = berth({"list", "-q"});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.error, "load container broken: container does not exist\n");
}

TEST_F(CliTest, TheVersionReadsAsClientsWantIt) {
  const auto text = test::must_run({test::built("berth"), "--version"});
  EXPECT_THAT(text, ContainsRegex("^berth version [0-9.]+\ncommit: [^\n]+\nspec: 1\\.3\\.0\n$"));
  EXPECT_EQ(text, test::must_run({test::built("berth"), "-v"}));
}

TEST_F(CliTest, UnderRuncsNameTheVersionIsCalledRuncs) {
  const auto link = directory_ + "/runc";
  ASSERT_EQ(::symlink(test::built("berth").c_str(), link.c_str()), 0);
  EXPECT_THAT(test::must_run({link, "--version"}), StartsWith("runc version "));
  test::RunOptions options;
  options.env["BERTH_COMPAT_VERSION"] = "1.3.4";
  EXPECT_THAT(test::must_run({test::built("berth"), "--version"}, options), StartsWith("runc version 1.3.4\n"));
}

TEST_F(CliTest, HelpIsNoFailure) {
  for (const Words& words : {Words{}, Words{"help"}, Words{"-h"}, Words{"help", "run"}, Words{"run", "--help"}}) {
    const auto result = berth(words);
    EXPECT_TRUE(result.ok());
    EXPECT_THAT(result.output, AllOf(StartsWith("NAME:\n   berth"), HasSubstr("USAGE:")));
    EXPECT_EQ(result.error, "");
  }
}

TEST_F(CliTest, TheHelpNamesEveryCommand) {
  for (const Words& words : {Words{}, Words{"help"}, Words{"--help"}, Words{"-h"}}) {
    const auto text = berth(words).output;
    for (const char* command :
         {"create", "start", "run", "state", "kill", "delete", "list", "exec", "spec", "features", "port"}) {
      EXPECT_THAT(text, ContainsRegex(std::string("\n   ") + command + " +[a-z]"));
    }
  }
}

TEST_F(CliTest, AJsonLogHoldsOneRecordAndStderrThePlainMessage) {
  const auto log = directory_ + "/log.json";
  const auto result = berth({"--log", log, "--log-format", "json", "state", "nope"});
  EXPECT_EQ(result.error, "container does not exist\n");
  const auto record = Json::parse(base::read_file(log));
  EXPECT_EQ(record["level"], "error");
  EXPECT_EQ(record["msg"], "container does not exist");
  EXPECT_THAT(record["time"].get<std::string>(), ContainsRegex("^20[0-9-]+T[0-9:]+Z$"));
}

TEST_F(CliTest, ATextLogIsAppendedTo) {
  const auto log = directory_ + "/log";
  berth({"--log", log, "state", "nope"});
  berth({"--log=" + log, "state", "a/b"});
  EXPECT_THAT(base::read_file(log),
              ContainsRegex("^time=\"[^\"]+\" level=error msg=\"container does not exist\"\n"
                            "time=\"[^\"]+\" level=error msg=\"invalid container ID format\"\n$"));
}

TEST_F(CliTest, WhatCannotBeWrittenChangesNoExitStatus) {
  const auto status = [&](const std::string& words) {
    return test::run({"sh", "-c", test::built("berth") + " --root " + root_ + " " + words}).exit_status;
  };
  EXPECT_EQ(status("state nope 2>/dev/full"), 1);
  EXPECT_EQ(status("exec nope true 2>/dev/full"), 255);
  EXPECT_EQ(status("bogus 2>/dev/full"), 3);
  EXPECT_EQ(status("state >/dev/full 2>/dev/full"), 1);
  EXPECT_EQ(status("delete --force nope 2>/dev/full"), 0);
  // What was asked for and is lost is a failure.
  for (const char* words : {"--help >/dev/full", "--version >/dev/full", "features >/dev/full", "list >/dev/full"})
    EXPECT_EQ(status(words), 1) << words;
}

TEST_F(CliTest, ALogThatTakesNothingLeavesTheMessageOnStderr) {
  const auto result = berth({"--log", "/dev/full", "state", "nope"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_EQ(result.error, "container does not exist\n");
}

TEST_F(CliTest, ACurrentDirectoryThatIsGoneIsNamedWhereItIsNeeded) {
  const auto in_gone = [&](const std::string& words) {
    return test::run({"sh", "-c",
                      "mkdir " + directory_ + "/gone && cd " + directory_ + "/gone && rmdir ../gone && exec " +
                          test::built("berth") + " " + words});
  };
  EXPECT_TRUE(in_gone("--root " + root_ + " list").ok());
  EXPECT_THAT(in_gone("--root " + root_ + " run c1").error,
              HasSubstr("berth run failed: JSON specification file config.json not found in .: no such file"));
  EXPECT_THAT(in_gone("--root state list").error,
              HasSubstr("find the current directory, which state is relative to: no such file or directory"));
}

TEST_F(CliTest, TheRootDirectoryItselfIsRefused) {
  const auto result = test::run({test::built("berth"), "--root", "/", "list"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr("Option --root argument should not be set to /"));
}

struct Refusal {
  Words globals, flags;
  const char* complaint;
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) {
  return out << refusal.complaint;
}

class RefusedAtCreateTest : public CliTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(RefusedAtCreateTest, BeforeAnythingIsMade) {
  if (std::string(GetParam().complaint).starts_with("systemd not running") && fs::exists("/run/systemd/system")) {
    GTEST_SKIP() << "this machine has systemd";
  }
  for (const char* command : {"create", "run"}) {
    Words words = GetParam().globals;
    words.push_back(command);
    words.insert(words.end(), {"--bundle", bundle("/hostname", "\"x\"")});
    words.insert(words.end(), GetParam().flags.begin(), GetParam().flags.end());
    words.push_back("refused-container");
    const auto result = berth(words);
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(result.error, HasSubstr(GetParam().complaint));
    EXPECT_FALSE(fs::exists(root_));
    EXPECT_THAT(test::cgroups_of("refused-container"), IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Flags, RefusedAtCreateTest,
    ::testing::Values(Refusal{{"--systemd-cgroup"}, {}, "systemd not running on this host"},
                      Refusal{{"--cgroup-manager", "systemd"}, {}, "systemd not running on this host"},
                      Refusal{{"--cgroup-manager", "x"}, {}, "invalid cgroup-manager: x"},
                      Refusal{{"--rootless", "x"}, {}, "invalid rootless: x"},
                      Refusal{{}, {"--preserve-fds", "99"}, "--preserve-fds 99: descriptor "},
                      Refusal{{}, {"--preserve-fds", "-1"}, "--preserve-fds must not be negative"},
                      Refusal{{}, {"--console-socket", "/x"}, "cannot use console socket if runc will not detach"},
                      Refusal{{}, {"--network", "a/b"}, "invalid network"},
                      Refusal{{}, {"--publish", "0:80"}, "invalid port"},
                      Refusal{{}, {"-p", "1:2", "-p", "1:3"}, "host port 1/tcp is published twice"},
                      Refusal{{}, {"--net-dir", "/x"}, "--net-dir and --cni-path need --network or --publish"}));

TEST_F(CliTest, AnUnknownValueIsRefusedByNameBeforeAnythingIsMade) {
  const auto path = bundle("/linux/seccomp", R"({"defaultAction": "SCMP_ACT_NOPE"})");
  const auto result = berth({"create", "--bundle", path, "c1"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr("berth create failed: config.json: linux.seccomp.defaultAction"));
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(CliTest, ATerminalNeedsAConsoleSocketToBeDetached) {
  const auto path = bundle("/process/terminal", "true");
  for (const Words& words : {Words{"create", "-b", path, "c1"}, Words{"run", "-d", "-b", path, "c1"}}) {
    EXPECT_THAT(berth(words).error,
                HasSubstr("cannot allocate tty if runc will detach without setting console socket"));
  }
}

TEST_F(CliTest, ABundleWithoutConfigurationIsNamed) {
  const auto result = berth({"run", "--bundle", directory_ + "/none", "c1"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, AllOf(HasSubstr("config.json not found in " + directory_ + "/none"),
                                  HasSubstr("no such file or directory")));
}

TEST_F(CliTest, NetworksNeedANamespaceOfTheContainersOwn) {
  test::RunOptions options;
  const auto hook = directory_ + "/cni-hook";
  base::write_file_atomic(hook, "", 0755);
  options.env["BERTH_CNI_HOOK"] = hook;
  const auto path = bundle("/linux/namespaces", R"([{"type": "mount"}, {"type": "pid"}, {"type": "uts"}])");
  EXPECT_THAT(berth({"create", "-b", path, "--publish", "8080:80", "c1"}, options).error,
              HasSubstr("config.json has none in linux.namespaces"));
  bundle("/linux/namespaces", R"([{"type": "mount"}, {"type": "uts"}, {"type": "network", "path": "/run/netns/x"}])");
  EXPECT_THAT(berth({"create", "-b", path, "--publish", "8080:80", "c1"}, options).error,
              HasSubstr("config.json joins /run/netns/x"));
  options.env["BERTH_CNI_HOOK"] = "/nowhere/cni-hook";
  EXPECT_THAT(berth({"create", "-b", path, "--network", "web", "c1"}, options).error, HasSubstr("/nowhere/cni-hook"));
  EXPECT_FALSE(fs::exists(root_));
}

}  // namespace
}  // namespace berth
