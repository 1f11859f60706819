// What a container's processes get of their caller's descriptors, and what the caller gets back: socket activation,
// --preserve-fds, /dev/null, --pidfd-socket.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/unix_socket.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DescriptorsTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    for (const char* name : {"three", "four", "five"}) write(name, std::string(name) + "\n");
  }
  void TearDown() override {
    berth({"delete", "--force", "c"});
    ContainerSandbox::TearDown();
  }

  /// Runs a runtime's command with descriptors 3, 4 and 5 open on files, after the shell commands `before`.
  base::CommandResult with_files(const std::string& runtime, const std::string& before, const std::string& command) {
    const std::string files = "exec 3<" + scratch() + "/three 4<" + scratch() + "/four 5<" + scratch() + "/five; ";
    return run({"sh", "-c",
                files + before + " exec " + runtime + " --root /run/" + runtime.substr(runtime.rfind('/') + 1) + " " +
                    command});
  }

  void expect_same_as_runc(const std::string& before, const std::string& flags, const std::string& script,
                           const std::string& expected) {
    const auto path = shell_bundle(script);
    const auto command = "run " + flags + " --bundle " + path + " c";
    EXPECT_EQ(expected, with_files(built("berth"), before, command).output);
    const auto runc = system_program("runc");
    if (runc.empty()) return;
    EXPECT_EQ(expected, with_files(runc, before, command).output) << "runc";
  }
};

constexpr const char* kActivated = "export LISTEN_FDS=2 LISTEN_PID=$$;";

TEST_F(DescriptorsTest, ActivatedSocketsArePassedAndCounted) {
  expect_same_as_runc(kActivated, "",
                      "echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4; cat <&5 2>/dev/null || echo none",
                      "2 1\nthree\nfour\nnone\n");
}

TEST_F(DescriptorsTest, PreservedDescriptorsComeAfterThem) {
  expect_same_as_runc(kActivated, "--preserve-fds 1", "echo $LISTEN_FDS; cat <&3; cat <&4; cat <&5",
                      "2\nthree\nfour\nfive\n");
}

TEST_F(DescriptorsTest, ActivationOfSomebodyElseIsIgnored) {
  for (const char* environment : {"export LISTEN_FDS=1 LISTEN_PID=1;", "export LISTEN_FDS=1;",
                                  "export LISTEN_FDS=x LISTEN_PID=$$;", "export LISTEN_PID=$$;"}) {
    SCOPED_TRACE(environment);
    expect_same_as_runc(environment, "", "echo [$LISTEN_FDS$LISTEN_PID]; cat <&3 2>/dev/null || echo none",
                        "[]\nnone\n");
  }
}

TEST_F(DescriptorsTest, WithoutAPidNamespaceOfItsOwnTheProcessLearnsItsRealPid) {
  const auto path = shell_bundle("[ $LISTEN_PID = $$ ] && [ $$ != 1 ] && echo same", [](Json& spec) {
    auto& namespaces = spec["linux"]["namespaces"];
    namespaces.erase(namespaces.begin());
  });
  EXPECT_EQ("same\n", with_files(built("berth"), kActivated, "run --bundle " + path + " c").output);
}

TEST_F(DescriptorsTest, DescriptorsThatAreNotOpenAreNamed) {
  const auto path = bundle({"true"});
  const auto preserved = with_files(built("berth"), "", "run --preserve-fds 4 --bundle " + path + " c");
  EXPECT_EQ(1, preserved.exit_status);
  EXPECT_THAT(preserved.error, HasSubstr("--preserve-fds 4: descriptor 6 is not open"));
  const auto activated =
      with_files(built("berth"), "export LISTEN_FDS=9 LISTEN_PID=$$;", "run --bundle " + path + " c");
  EXPECT_EQ(1, activated.exit_status);
  EXPECT_THAT(activated.error, HasSubstr("LISTEN_FDS=9: descriptor 6 is not open"));
  run_sleeper("c");
  const auto executed = with_files(built("berth"), "", "exec --preserve-fds 4 c true");
  EXPECT_EQ(255, executed.exit_status);
  EXPECT_THAT(executed.error, HasSubstr("--preserve-fds 4: descriptor 6 is not open"));
}

/// Device and inode of what a path leads to.
std::pair<dev_t, ino_t> identity_of(const std::string& path) {
  struct stat info {};
  base::check(::stat(path.c_str(), &info), "stat", path);
  return {info.st_dev, info.st_ino};
}

void expect_null_streams_of_its_own(const std::string& pid) {
  const std::string proc = "/proc/" + pid;
  const auto null = identity_of(proc + "/root/dev/null");
  EXPECT_NE(identity_of("/dev/null"), null);
  for (const char* fd : {"0", "1", "2"}) EXPECT_EQ(null, identity_of(proc + "/fd/" + fd)) << fd;
}

TEST_F(DescriptorsTest, NullStreamsAreTheContainersOwn) {
  const auto path = bundle({"sleep", "1000"});
  EXPECT_EQ(0, Child(berth_command({"run", "--detach", "--bundle", path, "c"})).wait());
  expect_null_streams_of_its_own(std::to_string(pid_of("c")));
  const auto file = scratch() + "/pid";
  EXPECT_EQ(0, Child(berth_command({"exec", "--detach", "--pid-file", file, "c", "sleep", "1000"})).wait());
  expect_null_streams_of_its_own(base::read_file(file));
  const auto runc = system_program("runc");
  if (runc.empty()) return;
  const std::vector<std::string> start{runc,         "--root", "/run/runc", "run", "--detach",
                                       "--pid-file", file,     "--bundle",  path,  "theirs"};
  EXPECT_EQ(0, Child(start).wait());
  expect_null_streams_of_its_own(base::read_file(file));
  must_run({runc, "--root", "/run/runc", "delete", "--force", "theirs"});
}

/// Else what the runtime opens would get their numbers.
TEST_F(DescriptorsTest, StreamsThatTheCallerHasClosedAreNullStreams) {
  const auto path = bundle({"sleep", "1000"});
  const auto file = scratch() + "/pid";
  const auto with_closed = [&](const std::string& closed, std::vector<std::string> words) {
    words = berth_command(words);
    words.insert(words.begin(), {system_program("sh"), "-c", "exec \"$@\" " + closed, "sh"});
    return Child(words).wait();
  };
  for (const char* closed : {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}) {
    EXPECT_EQ(0, with_closed(closed, {"run", "--detach", "--bundle", path, "c"})) << closed;
    expect_null_streams_of_its_own(std::to_string(pid_of("c")));
    EXPECT_EQ(0, with_closed(closed, {"exec", "--detach", "--pid-file", file, "c", "sleep", "1000"})) << closed;
    expect_null_streams_of_its_own(base::read_file(file));
    EXPECT_EQ(1, with_closed(closed, {"state", "nobody"})) << closed;
    EXPECT_EQ(0, with_closed(closed, {"delete", "--force", "c"})) << closed;
  }
}

TEST_F(DescriptorsTest, WhatTheImageHasInPlaceOfTheNullDeviceIsNotTaken) {
  const auto path = bundle({"true"}, [](Json& spec) {
    // A /dev of the image, in which no devices are made.
    for (auto& mount : spec["mounts"]) {
      if (mount["destination"] == "/dev")
        mount = {{"destination", "/dev"}, {"type", "bind"}, {"source", "rootfs/dev"}, {"options", {"bind"}}};
    }
    Json kept = Json::array();
    for (const auto& mount : spec["mounts"]) {
      const auto destination = mount["destination"].get<std::string>();
      if (!destination.starts_with("/dev/")) kept.push_back(mount);
    }
    spec["mounts"] = kept;
  });
  must_run({"mkfifo", path + "/rootfs/dev/null"});
  const std::string log = scratch() + "/log";
  EXPECT_EQ(1, Child({built("berth"), "--root", "/run/berth", "--log", log, "create", "--bundle", path, "c"}).wait());
  EXPECT_THAT(base::read_file(log), HasSubstr("the container has no null device at /dev/null"));
}

/// The listening end of --pidfd-socket.
class PidfdSocketTest : public DescriptorsTest {
 protected:
  void SetUp() override {
    DescriptorsTest::SetUp();
    path_ = scratch() + "/pidfd.sock";
    listener_ = base::listen_at(path_);
  }

  struct Message {
    std::string text;
    pid_t pid = 0;
  };

  Message receive() const {
    const base::Fd peer(base::check(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
    const auto message = base::receive_message(peer, "a pidfd");
    const auto info = base::read_file("/proc/self/fdinfo/" + std::to_string(message.descriptor.get()));
    const auto start = info.find("Pid:\t");
    return {message.text, std::stoi(info.substr(start + 5))};
  }

  std::string path_;
  base::Fd listener_;
};

TEST_F(PidfdSocketTest, ReceivesTheFirstProcess) {
  must_berth({"create", "--pidfd-socket", path_, "--bundle", bundle({"sleep", "1000"}), "c"});
  const auto message = receive();
  EXPECT_EQ("standard", message.text);
  EXPECT_EQ(pid_of("c"), message.pid);
  must_berth({"delete", "--force", "c"});
  must_berth({"run", "--detach", "--pidfd-socket", path_, "--bundle", bundle({"sleep", "1000"}), "c"});
  EXPECT_EQ(pid_of("c"), receive().pid);
}

TEST_F(PidfdSocketTest, ReceivesAProcessOfExec) {
  run_sleeper("c");
  const auto file = scratch() + "/pid";
  must_berth({"exec", "--detach", "--pid-file", file, "--pidfd-socket", path_, "c", "sleep", "1000"});
  const auto message = receive();
  EXPECT_EQ("setns", message.text);
  EXPECT_EQ(base::read_file(file), std::to_string(message.pid));
}

TEST_F(PidfdSocketTest, ReceivesTheRightOneIfAnotherTookItsPlace) {
  // A new time namespace holds for children only: the first process is the second one that is cloned.
  must_berth({"create", "--pidfd-socket", path_, "--bundle",
              bundle({"sleep", "1000"},
                     [](Json& spec) {
                       spec["linux"]["namespaces"].push_back({{"type", "time"}});
                     }),
              "c"});
  EXPECT_EQ(pid_of("c"), receive().pid);
}

TEST_F(PidfdSocketTest, ThatIsNotThereIsAnErrorBeforeAnythingIsMade) {
  const auto path = bundle({"true"});
  const std::string before = host_state();
  const auto created = berth({"create", "--pidfd-socket", "/nope", "--bundle", path, "c"});
  EXPECT_EQ(1, created.exit_status);
  EXPECT_THAT(created.error, HasSubstr("connect to pidfd socket /nope: no such file or directory"));
  EXPECT_EQ(before, host_state());
  run_sleeper("c");
  const auto executed = berth({"exec", "--pidfd-socket", "/nope", "c", "true"});
  EXPECT_EQ(255, executed.exit_status);
  EXPECT_THAT(executed.error, HasSubstr("connect to pidfd socket /nope"));
}

}  // namespace
}  // namespace berth::test
