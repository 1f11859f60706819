#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/rollback.h"

namespace berth::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string scratch_directory() {
  std::string name = ::testing::TempDir() + "berth-base-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw_errno("mkdtemp");
  return name;
}

template <class Work>
std::string message_of(Work&& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(SystemErrorTest, NamesTheThingAndTheReasonInLowerCase) {
  EXPECT_EQ("open /nonexistent/x: no such file or directory",
            message_of([] { open_file("/nonexistent/x", O_RDONLY); }));
}

TEST(FdTest, IsCloseOnExec) {
  const Fd fd = open_file("/dev/null", O_RDONLY);
  EXPECT_EQ(FD_CLOEXEC, ::fcntl(fd.get(), F_GETFD));
  EXPECT_EQ(FD_CLOEXEC, ::fcntl(fd.duplicate().get(), F_GETFD));
}

TEST(RollbackTest, RunsStepsInReverseOrderAndGoesOnAfterAFailure) {
  std::vector<int> order;
  Rollback rollback;
  rollback.add("first", [&] { order.push_back(1); });
  rollback.add("second", [] { throw std::runtime_error("broken"); });
  rollback.add("third", [&] { order.push_back(3); });
  EXPECT_THAT(rollback.run(), ElementsAre("second: broken"));
  EXPECT_THAT(order, ElementsAre(3, 1));
}

TEST(RollbackTest, DoesNothingAfterDismiss) {
  bool undone = false;
  {
    Rollback rollback;
    rollback.add("step", [&] { undone = true; });
    rollback.dismiss();
  }
  EXPECT_FALSE(undone);
}

TEST(BestEffortTest, TriesEverythingAndReportsAllFailuresAtOnce) {
  BestEffort cleanup;
  bool last_ran = false;
  cleanup.attempt("a", [] { throw std::runtime_error("1"); });
  cleanup.attempt("b", [] { throw std::runtime_error("2"); });
  cleanup.attempt("c", [&] { last_ran = true; });
  EXPECT_TRUE(last_ran);
  EXPECT_EQ("a: 1; b: 2", message_of([&] { cleanup.finish(); }));
}

TEST(BestEffortTest, OneStepRunsWhileAnotherIsUnderWay) {
  std::string done;
  BestEffort cleanup;
  cleanup.attempt_both(
      "a",
      [&] {
        done += "begin ";
        return [&] {
          done += "end";
          throw std::runtime_error("late");
        };
      },
      "b",
      [&] {
        done += "meanwhile ";
        throw std::runtime_error("fails");
      });
  EXPECT_EQ(done, "begin meanwhile end");
  EXPECT_EQ("b: fails; a: late", message_of([&] { cleanup.finish(); }));
}

TEST(BestEffortTest, WhatDoesNotBeginIsNotWaitedFor) {
  bool meanwhile = false;
  BestEffort cleanup;
  cleanup.attempt_both(
      "a", []() -> std::function<void()> { throw std::runtime_error("fails"); }, "b", [&] { meanwhile = true; });
  EXPECT_TRUE(meanwhile);
  EXPECT_EQ("a: fails", message_of([&] { cleanup.finish(); }));
}

TEST(AtomicFileTest, ReplacesTheContentAndLeavesNoTemporaryFile) {
  const std::string directory = scratch_directory();
  const std::string path = directory + "/file";
  write_file_atomic(path, "old", 0644);
  write_file_atomic(path, "new", 0600);
  EXPECT_EQ("new", read_file(path));
  struct stat info {};
  ASSERT_EQ(0, ::stat(path.c_str(), &info));
  EXPECT_EQ(0600U, info.st_mode & 0777);
  EXPECT_EQ(0, ::unlink(path.c_str()));
  EXPECT_EQ(0, ::rmdir(directory.c_str())) << "something else is left in the directory";
}

TEST(AtomicFileTest, WhatAKilledWriterHasLeftIsFoundAndNothingElse) {
  const std::string directory = scratch_directory();
  for (const char* name : {"/.record.aB3dEf", "/.lock", "/record", "/record.aB3dEf"}) {
    write_file_atomic(directory + name, "", 0600);
  }
  EXPECT_THAT(unfinished_files(directory), ElementsAre(directory + "/.record.aB3dEf"));
  EXPECT_THAT(unfinished_files(directory + "/missing"), IsEmpty());
}

TEST(FileLockTest, GivesUpAfterTheTimeout) {
  const std::string path = scratch_directory() + "/lock";
  const FileLock held(path, 0600);
  try {
    const FileLock second(path, 0600, std::chrono::milliseconds(20));
    FAIL() << "the lock was given twice";
  } catch (const SystemError& error) {
    EXPECT_EQ(ETIMEDOUT, error.code());
  }
}

TEST(MakeDirectoriesTest, NamesTheDirectoryWhenAComponentIsAFile) {
  const std::string directory = scratch_directory();
  write_file_atomic(directory + "/file", "", 0644);
  EXPECT_THAT(message_of([&] { make_directories(directory + "/file/x", 0755); }), HasSubstr("not a directory"));
  EXPECT_THAT(message_of([&] { make_directories(directory + "/file", 0755); }), HasSubstr("not a directory"));
  make_directories(directory + "/a/b/c", 0755);
  make_directories(directory + "/a/b/c", 0755);
  EXPECT_EQ(0, ::access((directory + "/a/b/c").c_str(), F_OK));
}

TEST(EncodeTest, Sha512AndBase64MatchTheStandardsVectors) {
  EXPECT_EQ(
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
      "2a9ac94fa54ca49f",
      sha512_hex("abc"));
  EXPECT_EQ("Zm9vYmE=", base64_encode("fooba"));
  EXPECT_EQ("fooba", base64_decode("Zm9vYmE="));
  EXPECT_EQ("", base64_decode(""));
  EXPECT_THROW(base64_decode("Zm9v!"), std::invalid_argument);
  EXPECT_EQ(8U, random_hex(4).size());
  EXPECT_NE(random_hex(8), random_hex(8));
}

CommandResult shell(const std::string& script, std::optional<std::chrono::milliseconds> timeout = std::nullopt,
                    const std::string& input = "") {
  Command command;
  command.path = "/bin/sh";
  command.argv = {"sh", "-c", script};
  command.env = {"PATH=/usr/bin:/bin"};
  command.timeout = timeout;
  command.input = input;
  return run_command(command);
}

TEST(RunCommandTest, CapturesOutputErrorAndStatus) {
  const auto result = shell("cat; echo problem >&2; exit 3", std::nullopt, "hello");
  EXPECT_EQ("hello", result.output);
  EXPECT_EQ("problem\n", result.error);
  EXPECT_EQ("exit status 3", result.status_text());
  EXPECT_FALSE(result.ok());
}

TEST(RunCommandTest, ReportsASignal) {
  EXPECT_EQ("signal: killed", shell("kill -9 $$").status_text());
}

/// Zombies that nobody has reaped yet count as dead.
bool is_alive(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  return stat >> number >> name >> state && state != "Z";
}

TEST(RunCommandTest, KillsTheWholeGroupOnTimeout) {
  const auto result = shell("sleep 60 & echo $!; wait", std::chrono::milliseconds(200));
  EXPECT_TRUE(result.timed_out);
  EXPECT_FALSE(result.ok());
  const pid_t grandchild = std::stoi(result.output);
  for (int i = 0; i < 200 && is_alive(grandchild); ++i) ::usleep(5000);
  EXPECT_FALSE(is_alive(grandchild)) << "the grandchild survived";
}

TEST(RunCommandTest, DoesNotWaitForAGrandchildThatHoldsThePipes) {
  const auto result = shell("sleep 5 & echo started");
  EXPECT_TRUE(result.ok());
  EXPECT_EQ("started\n", result.output);
  EXPECT_LT(result.duration, std::chrono::seconds(3));
}

TEST(RunCommandTest, SurvivesAProgramThatIgnoresALargeInput) {
  EXPECT_TRUE(shell("exit 0", std::nullopt, std::string(1 << 20, 'x')).ok());
}

TEST(RunCommandTest, PassesLargeDataBothWaysAtOnce) {
  const std::string input(3 << 20, 'y');
  EXPECT_EQ(input, shell("cat", std::nullopt, input).output);
}

TEST(RunCommandTest, InheritsNoDescriptor) {
  const int leak = ::open("/dev/null", O_RDONLY);  // deliberately without O_CLOEXEC
  const auto result = shell("ls /proc/self/fd");
  ::close(leak);
  EXPECT_EQ("0\n1\n2\n3\n", result.output) << "3 is ls' own directory";
}

TEST(RunCommandTest, NamesTheProgramThatCannotRun) {
  Command command;
  command.path = "/nonexistent/plugin";
  for (const int signal : {0, SIGTERM}) {
    command.signal_when_caller_dies = signal;
    EXPECT_EQ("run /nonexistent/plugin: no such file or directory", message_of([&] { run_command(command); }));
  }
}

TEST(RunCommandTest, AProgramCanBeToldOfItsCallersEnd) {
  const std::string directory = scratch_directory();
  const auto soon = [&](const std::string& name) {
    for (int i = 0; i < 1000 && !read_if_present(directory + "/" + name); ++i) ::usleep(5000);
    return read_if_present(directory + "/" + name).has_value();
  };
  const pid_t caller = ::fork();
  if (caller == 0) {
    Command command;
    command.path = "/bin/sh";
    command.argv = {"sh", "-c", "trap ': > told; exit' TERM; : > begun; sleep 10 & wait"};
    command.env = {"PATH=/usr/bin:/bin"};
    command.working_directory = directory;
    command.signal_when_caller_dies = SIGTERM;
    run_command(command);
    ::_exit(0);
  }
  EXPECT_TRUE(soon("begun"));
  ::kill(caller, SIGKILL);
  ::waitpid(caller, nullptr, 0);
  EXPECT_TRUE(soon("told"));
}

TEST(JsonObjectTest, KeysMatchInAnyCaseAndTheLastOneWins) {
  const Json json = parse_json(R"({"MTU": 1, "mtu": 2, "Mtu": 3})");
  EXPECT_EQ(3, JsonObject(json).integer("mtu"));
}

TEST(RepeatedKeysTest, NamesEveryOneWithItsPath) {
  EXPECT_THAT(repeated_keys(R"({"a": {"b": 1, "c": {}, "b": 2}, "b": [{"x": 1}, {"x": 1, "X": 2, "x": 3}], "c": 1})"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("b", "[]", "x")));
  EXPECT_TRUE(repeated_keys(R"([{"a": 1}, {"a": 1}])").empty());
  EXPECT_THROW(repeated_keys(R"({"a": )"), JsonError);
}

TEST(JsonObjectTest, NullMeansAbsent) {
  const Json json = parse_json(R"({"a": null})");
  EXPECT_FALSE(JsonObject(json).has("a"));
  EXPECT_EQ(std::nullopt, JsonObject(json).string("a"));
}

TEST(JsonObjectTest, AWrongTypeNamesTheWholePathAndTheValue) {
  const Json json = parse_json(R"({"ipam": {"ranges": [{"subnet": 5}]}})");
  EXPECT_EQ("ipam.ranges[0].subnet: expected a string, got 5",
            message_of([&] { JsonObject(json).object("ipam")->objects("ranges")[0].string("subnet"); }));
  const Json text = parse_json(R"({"mtu": "1500", "vlan": 1.5})");
  EXPECT_EQ("mtu: expected a whole number, got \"1500\"", message_of([&] { JsonObject(text).integer("mtu"); }));
  EXPECT_EQ("vlan: expected a whole number, got 1.5", message_of([&] { JsonObject(text).integer("vlan"); }));
}

TEST(JsonObjectTest, RangesAreChecked) {
  const Json json = parse_json(R"({"port": 70000, "big": 18446744073709551615, "negative": -1})");
  EXPECT_THAT(message_of([&] { JsonObject(json).integer("port", 1, 65535); }), HasSubstr("from 1 to 65535, got 70000"));
  EXPECT_EQ(18446744073709551615U, JsonObject(json).unsigned_integer("big"));
  EXPECT_THAT(message_of([&] { JsonObject(json).integer("big"); }), HasSubstr("smaller number"));
  EXPECT_THAT(message_of([&] { JsonObject(json).unsigned_integer("negative"); }), HasSubstr("not negative"));
}

TEST(ParseJsonTest, RejectsTrailingGarbageAndTruncation) {
  EXPECT_THROW(parse_json("{} x"), JsonError);
  EXPECT_THROW(parse_json("{\"a\":"), JsonError);
  EXPECT_THROW(parse_json(""), JsonError);
}

}  // namespace
}  // namespace berth::base
