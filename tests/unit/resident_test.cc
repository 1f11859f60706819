// Programs that are part of the calling executable: found by what file a path is, and called in this process, or run in
// a fork.

#include "cni/resident.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "cni/error.h"
#include "cni/invoke.h"

namespace berth::cni {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Says what it was given and what it is.
int describe(int argc, char** argv) {
  std::string text = std::to_string(argc) + " " + argv[0] + "\n" + base::read_all(STDIN_FILENO, "stdin") + "\n";
  for (char** entry = environ; *entry != nullptr; ++entry) text += std::string(*entry) + "\n";
  text += "group leader: " + std::to_string(::getpgrp() == ::getpid()) + "\n";
  text += "comm: " + base::read_file("/proc/self/comm");
  text += "descriptors: " + std::to_string(::fcntl(3, F_GETFD) < 0 ? 3 : 4) + "\n";
  struct sigaction action {};
  ::sigaction(SIGTERM, nullptr, &action);
  text += "SIGTERM: " + std::string(action.sa_handler == SIG_DFL ? "default" : "changed") + "\n";
  std::printf("%s", text.c_str());
  return 0;
}

int fail(int, char**) {
  std::printf(R"({"cniVersion": "1.0.0", "code": 11, "msg": "later"})");
  return 1;
}

int sleep_long(int, char**) {
  ::sleep(60);
  return 0;
}

int crash(int, char**) {
  ::abort();
}

int not_called(int, char**) {
  return 3;
}

/// Says what process it is in, and what it was given.
std::string call(const std::string& input) {
  std::string text = std::to_string(::getpid()) + " " + input;
  for (char** entry = environ; *entry != nullptr; ++entry) text += " " + std::string(*entry);
  return text;
}

std::string fail_called(const std::string&) {
  throw Error(Code::kTryAgainLater, "later");
}

constexpr std::array<Resident, 6> kResidents{{{"describe", describe},
                                              {"fail", fail},
                                              {"sleep", sleep_long},
                                              {"crash", crash},
                                              {"plugin", not_called, call},
                                              {"failing-plugin", not_called, fail_called}}};

/// A directory with hard links of this test's own executable.
class ResidentTest : public ::testing::Test {
 protected:
  ResidentTest() {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    std::string pattern = self + "-XXXXXX";  // on the same file system
    directory_ = ::mkdtemp(pattern.data());
    for (const auto& resident : kResidents) {
      std::filesystem::create_hard_link(self, directory_ + "/" + std::string(resident.name));
    }
    std::filesystem::create_hard_link(self, directory_ + "/other");
    set_residents(kResidents);
  }
  ~ResidentTest() override {
    set_residents({});
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
};

TEST_F(ResidentTest, IsFoundByNameAndFile) {
  ASSERT_NE(nullptr, find_resident(path("describe")));
  EXPECT_EQ("describe", find_resident(path("describe"))->name);
  EXPECT_EQ(nullptr, find_resident(path("other"))) << "no program of ours";
  EXPECT_EQ(nullptr, find_resident(path("missing")));
  EXPECT_EQ(nullptr, find_resident("/bin/sh"));
}

TEST_F(ResidentTest, AnotherFileOfTheSameNameIsNone) {
  std::filesystem::remove(path("describe"));
  std::filesystem::copy_file("/bin/true", path("describe"));
  EXPECT_EQ(nullptr, find_resident(path("describe")));
}

TEST_F(ResidentTest, IsNotForkedBesideOtherThreads) {
  // In a process of its own: this one must not execute what it takes for a plugin, which is this very program.
  const auto look_beside_a_thread = [&] {
    std::thread([] {}).join();
    ::_exit(find_resident(path("describe")) == nullptr ? 0 : 1);
  };
  EXPECT_EXIT(look_beside_a_thread(), ::testing::ExitedWithCode(0), "");
}

TEST_F(ResidentTest, RunsAsIfItHadBeenExecuted) {
  ::signal(SIGTERM, SIG_IGN);
  const base::Fd kept(::open("/dev/null", O_RDONLY));  // not close-on-exec
  const auto answer = invoke(path("describe"), {"CNI_COMMAND=ADD", "A=b"}, "the input");
  EXPECT_EQ(
      "1 " + path("describe") +
          "\nthe input\nCNI_COMMAND=ADD\nA=b\ngroup leader: 1\ncomm: describe\ndescriptors: 3\nSIGTERM: default\n",
      answer.output);
  ::signal(SIGTERM, SIG_DFL);
}

TEST_F(ResidentTest, APluginIsCalledInThisProcessWithItsOwnEnvironment) {
  char** const environment = environ;
  const std::string pid = std::to_string(::getpid());
  EXPECT_EQ(pid + " the input A=b C=d", invoke(path("plugin"), {"A=b", "C=d"}, "the input").output);
  EXPECT_EQ(environment, environ);
  EXPECT_THROW(invoke(path("failing-plugin"), {"A=b"}, ""), Error);
  EXPECT_EQ(environment, environ);
}

TEST_F(ResidentTest, APluginWhoseTimeIsLimitedHasAProcessOfItsOwn) {
  try {
    invoke(path("plugin"), {}, "", std::chrono::seconds(60));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.msg(), HasSubstr("exit status 3"));
  }
}

TEST_F(ResidentTest, InputMayBeLongerThanAPipeHolds) {
  const std::string input(300'000, 'x');
  EXPECT_THAT(invoke(path("describe"), {}, input).output, HasSubstr(input));
}

TEST_F(ResidentTest, ItsErrorIsThrown) {
  try {
    invoke(path("fail"), {}, "");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Code::kTryAgainLater, error.code());
    EXPECT_EQ("later", error.msg());
  }
}

TEST_F(ResidentTest, ACrashIsItsOwn) {
  try {
    invoke(path("crash"), {}, "");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.msg(), StartsWith(path("crash") + ": signal: aborted"));
  }
}

TEST_F(ResidentTest, ItsTimeIsLimited) {
  try {
    invoke(path("sleep"), {}, "", std::chrono::milliseconds(50));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.msg(), HasSubstr("did not finish within 50 ms"));
  }
}

}  // namespace
}  // namespace berth::cni
