// Networks of an ordinary user's containers, by pasta or slirp4netns.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/killed.h"
#include "support/orphans.h"
#include "support/programs.h"
#include "support/user.h"

namespace berth::test {
namespace {

using base::check;
using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kId = "rootless-web";

class RootlessNetworkTest : public UserSandbox {
 protected:
  void SetUp() override {
    UserSandbox::SetUp();
    if (IsSkipped()) return;
    adopt_orphans();
    // pasta gives the container the addresses and routes of the host's way out.
    for (const auto& line : std::vector<std::vector<std::string>>{{"link", "add", "up0", "type", "veth", "peer", "up1"},
                                                                  {"address", "add", "10.99.0.2/24", "dev", "up0"},
                                                                  {"link", "set", "up0", "up"},
                                                                  {"link", "set", "up1", "up"},
                                                                  {"route", "add", "default", "via", "10.99.0.1"}}) {
      std::vector<std::string> command{"ip"};
      command.insert(command.end(), line.begin(), line.end());
      must_run(command);
    }
    // The device as a distribution has it: everybody's.
    base::make_directories("/dev/net", 0755);
    check(::mount("tmpfs", "/dev/net", "tmpfs", 0, "mode=755"), "mount tmpfs on /dev/net");
    check(::mknod("/dev/net/tun", S_IFCHR | 0666, ::makedev(10, 200)), "make /dev/net/tun");
    check(::chmod("/dev/net/tun", 0666), "chmod /dev/net/tun");
    if (::access("/dev/net/tun", R_OK) != 0 || ::open("/dev/net/tun", O_RDWR | O_CLOEXEC) < 0)
      GTEST_SKIP() << "this kernel has no tun devices";
    path_ = user_bundle({"httpd", "-f", "-p", "80", "-h", "/www"}, {}, "web");
    base::write_file_atomic(path_ + "/rootfs/www/index.html", "hello from a user\n", 0644);
    ::chmod((path_ + "/rootfs/www/index.html").c_str(), 0644);
  }

  void TearDown() override {
    if (!IsSkipped()) {
      user_berth({"delete", "--force", kId});
      end_orphans();
    }
    UserSandbox::TearDown();
  }

  static bool installed(const std::string& program) { return !system_program(program).empty(); }

  static std::string page(uint16_t port, const char* address = "127.0.0.1") {
    return http_get(net::IpAddress::parse(address), port);
  }

  base::CommandResult run_web(const std::vector<std::string>& flags,
                              const std::map<std::string, std::string>& env = {}) const {
    std::vector<std::string> words{"run", "--detach", "--bundle", path_};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(kId);
    return user_berth(words, env);
  }

  void expect_nothing_left() const {
    EXPECT_THAT(living_orphans(), IsEmpty());
    EXPECT_TRUE(has_no_state());
    EXPECT_FALSE(answers(net::IpAddress::parse("127.0.0.1"), 8080));
  }

  void expect_refused(const std::vector<std::string>& flags, const std::string& text,
                      const std::map<std::string, std::string>& env = {}) const {
    const auto result = run_web(flags, env);
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(text));
    EXPECT_THAT(living_orphans(), IsEmpty());
    EXPECT_TRUE(has_no_state());
  }

  /// Ports of a container by this program answer on the host until it is deleted.
  void expect_published_by(const std::string& program, const std::vector<std::string>& flags) {
    std::vector<std::string> words{"--publish", "8080:80", "--publish", "127.0.0.1:8081:80"};
    words.insert(words.end(), flags.begin(), flags.end());
    const auto result = run_web(words);
    ASSERT_TRUE(result.ok()) << result.error;
    const auto pid = base::read_file(state_root() + "/" + kId + "/network.pid");
    EXPECT_THAT(base::read_file("/proc/" + std::to_string(std::stoi(pid)) + "/cmdline"), HasSubstr(program));
    for (const uint16_t port : {uint16_t{8080}, uint16_t{8081}}) EXPECT_EQ("hello from a user\n", page(port));
    EXPECT_EQ("hello from a user\n", page(8080, "10.99.0.2"));
    EXPECT_FALSE(answers(net::IpAddress::parse("10.99.0.2"), 8081)) << "it was for loopback alone";
    EXPECT_EQ("80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081\n", must_user_berth({"port", kId}));
    EXPECT_THAT(must_user_berth({"exec", kId, "ip", "-o", "link"}), HasSubstr("eth0"));
    must_user_berth({"delete", "--force", kId});
    expect_nothing_left();
  }

  std::string path_;
};

TEST_F(RootlessNetworkTest, PastaPublishesPorts) {
  if (!installed("pasta")) GTEST_SKIP() << "pasta is not installed (package passt)";
  expect_published_by("pasta", {"--network", "pasta"});
}

TEST_F(RootlessNetworkTest, Slirp4netnsPublishesPorts) {
  if (!installed("slirp4netns")) GTEST_SKIP() << "slirp4netns is not installed";
  expect_published_by("slirp4netns", {"--network", "slirp4netns"});
}

TEST_F(RootlessNetworkTest, WhoOnlyPublishesGetsPastaIfItIsThere) {
  if (!installed("pasta")) GTEST_SKIP() << "pasta is not installed (package passt)";
  expect_published_by("pasta", {});
}

TEST_F(RootlessNetworkTest, APortThatIsTakenIsNamedAndNothingStays) {
  const Background holder({"/bin/busybox", "httpd", "-f", "-p", "8080"});
  ASSERT_TRUE(eventually([] { return answers(net::IpAddress::parse("127.0.0.1"), 8080); }));
  for (const char* program : {"pasta", "slirp4netns"}) {
    if (!installed(program)) continue;
    const auto result = run_web({"--network", program, "--publish", "8080:80"});
    EXPECT_EQ(1, result.exit_status) << program;
    EXPECT_THAT(result.error, AllOf(HasSubstr("user-network-hook: "), HasSubstr(program), HasSubstr("8080:80")));
    EXPECT_TRUE(has_no_state()) << program;
    EXPECT_EQ(std::to_string(holder.pid()), living_orphans().at(0).substr(0, std::to_string(holder.pid()).size()));
    EXPECT_EQ(1U, living_orphans().size()) << program;
  }
}

TEST_F(RootlessNetworkTest, WhatIsMissingIsSaid) {
  const std::string nowhere = scratch() + "/nowhere";
  expect_refused(
      {"--publish", "8080:80"},
      "--network and --publish of user 1000 need pasta (package passt) or slirp4netns (package slirp4netns), "
      "which is not installed in " +
          nowhere,
      {{"PATH", nowhere}});
  expect_refused({"--network", "slirp4netns"},
                 "need slirp4netns (package slirp4netns), which is not installed in " + nowhere, {{"PATH", nowhere}});
  expect_refused(
      {"--network", "web", "--publish", "8080:80"},
      "--network web: CNI networks need root's rights; user 1000 can have one network, pasta or slirp4netns");
  expect_refused({"--publish", "8080:80", "--net-dir", "/etc/cni/net.d"},
                 "are for CNI networks, which need root's rights");
  if (!installed("pasta") && !installed("slirp4netns")) return;
  check(::chmod("/dev/net/tun", 0600), "chmod /dev/net/tun");
  expect_refused({"--publish", "8080:80"},
                 "--network and --publish of user 1000 need /dev/net/tun: open it: permission denied");
}

TEST_F(RootlessNetworkTest, WhatNeitherCanDoIsRefused) {
  for (const char* program : {"pasta", "slirp4netns"}) {
    if (!installed(program)) continue;
    expect_refused({"--network", program, "--publish", "8080:80/sctp"},
                   "only tcp and udp ports can be published without root's rights, not 8080:80/sctp");
  }
  if (!installed("slirp4netns")) return;
  expect_refused({"--network", "slirp4netns", "--publish", "[::1]:8080:80"},
                 "slirp4netns publishes on IPv4 addresses only, not [::1]:8080:80/tcp");
}

TEST_F(RootlessNetworkTest, AnotherProcessUnderTheOldPidIsLeftAlone) {
  if (!installed("pasta")) GTEST_SKIP() << "pasta is not installed (package passt)";
  ASSERT_TRUE(run_web({"--network", "pasta"}).ok());
  Child other(as_user({"/bin/busybox", "sleep", "1000"}));
  const std::string file = state_root() + "/" + kId + "/network.pid";
  base::write_file_atomic(file, std::to_string(other.pid()), 0600);
  check(::chown(file.c_str(), kUser, kUser), "chown");
  must_user_berth({"delete", "--force", kId});
  EXPECT_EQ(0, ::kill(other.pid(), 0));
  EXPECT_TRUE(exists("/proc/" + std::to_string(other.pid()) + "/ns/net")) << "a process that is not ours was ended";
}

TEST_F(RootlessNetworkTest, WhatAKilledCreateLeavesIsRemoved) {
  const std::vector<std::string> create{"create", "--bundle", path_, "--publish", "8080:80", kId};
  int too_late = 0;
  for (int round = 0; too_late < 2 && round < 60 && !HasFailure(); ++round) {
    const auto killed = kill_after(user_berth_command(create), std::chrono::milliseconds(2) * round);
    too_late = killed.killed ? 0 : too_late + 1;
    const auto result = user_berth({"delete", "--force", kId});
    EXPECT_TRUE(result.ok()) << killed.at << ": " << result.error;
    EXPECT_THAT(living_orphans(), IsEmpty()) << killed.at;
    EXPECT_TRUE(has_no_state()) << killed.at;
    end_orphans();
  }
}

TEST_F(RootlessNetworkTest, TheHookWorksUnderRuncToo) {
  if (!installed("runc")) GTEST_SKIP() << "runc is not installed";
  const std::string program = system_program(installed("pasta") ? "pasta" : "slirp4netns");
  if (program.empty()) GTEST_SKIP() << "neither pasta nor slirp4netns is installed";
  const std::string directory = "/run/user/1000/hook";
  must_run(as_user({"/bin/busybox", "mkdir", directory}));
  Json config = Json::parse(base::read_file(path_ + "/config.json"));
  config["annotations"] = {{"org.berth.ports", "8080:80"}};
  for (const char* stage : {"createRuntime", "poststop"}) {
    const auto args = Json::array({"user-network-hook", stage, program, directory});
    config["hooks"][stage] = Json::array({{{"path", scratch() + "/bin/user-network-hook"}, {"args", args}}});
  }
  base::write_file_atomic(path_ + "/config.json", config.dump(), 0644);
  RunOptions options;
  options.env["XDG_RUNTIME_DIR"] = "/run/user/1000";
  options.working_directory = "/";
  must_run(as_user({system_program("runc"), "run", "--detach", "--bundle", path_, kId}), options);
  EXPECT_EQ("hello from a user\n", page(8080));
  must_run(as_user({system_program("runc"), "delete", "--force", kId}), options);
  expect_nothing_left();
}

/// The hook alone.
class UserNetworkHookTest : public Sandbox {
 protected:
  static base::CommandResult hook(const std::vector<std::string>& arguments, const std::string& state) {
    std::vector<std::string> words{built("user-network-hook")};
    words.insert(words.end(), arguments.begin(), arguments.end());
    RunOptions options;
    options.input = state;
    return run(words, options);
  }

  void expect_refused(const std::vector<std::string>& arguments, const std::string& state, const std::string& text) {
    const auto result = hook(arguments, state);
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, AllOf(StartsWith("user-network-hook: "), HasSubstr(text)));
    EXPECT_TRUE(std::filesystem::is_empty(directory()));
  }

  std::string directory() const {
    base::make_directories(scratch() + "/state", 0700);
    return scratch() + "/state";
  }

  static std::string state(pid_t pid, const Json& annotations) {
    Json json{{"ociVersion", "1.3.0"}, {"id", "c1"}, {"status", "creating"}, {"bundle", "/"}};
    if (pid != 0) json["pid"] = pid;
    json["annotations"] = annotations;
    return json.dump();
  }
};

TEST_F(UserNetworkHookTest, BadInputIsRefused) {
  const Json ports{{"org.berth.ports", "8080:80"}};
  const std::vector<std::string> create{"createRuntime", "/nowhere/pasta", directory()};
  expect_refused({}, state(1, ports), "usage: user-network-hook createRuntime|poststop PROGRAM DIRECTORY");
  expect_refused({"poststart", "/usr/bin/pasta", directory()}, state(1, ports), "usage: ");
  expect_refused(create, "{", "the container's State from stdin: parse error");
  expect_refused(create, state(0, ports), "the State of container c1 has no pid");
  expect_refused(create, state(1, {{"org.berth.ports", "8080"}}), "org.berth.ports");
  expect_refused(create, state(1, ports), "run /nowhere/pasta: no such file or directory");
}

TEST_F(UserNetworkHookTest, AProgramThatFailsIsQuotedAndWhatItLeftIsRemoved) {
  for (const char* name : {"pasta", "slirp4netns"}) {
    const auto program = write(name, "#!/bin/sh\necho out of cables >&2\nexit 3\n");
    ::chmod(program.c_str(), 0755);
    const auto result =
        hook({"createRuntime", program, directory()}, state(::getpid(), {{"org.berth.ports", "8080:80"}}));
    EXPECT_EQ(1, result.exit_status);
    EXPECT_EQ("user-network-hook: " + std::string(name) + ": exit status 3: out of cables\n", result.error);
    EXPECT_TRUE(std::filesystem::is_empty(directory()));
  }
}

TEST_F(UserNetworkHookTest, WhatAsksForNothingAndWhatIsGoneIsNoFailure) {
  EXPECT_TRUE(hook({"createRuntime", "/nowhere/pasta", directory()}, state(1, Json::object())).ok());
  EXPECT_TRUE(hook({"poststop", "/nowhere/pasta", directory()}, state(0, {{"org.berth.ports", "8080:80"}})).ok());
  EXPECT_TRUE(hook({"poststop", "/nowhere/pasta", scratch() + "/gone"}, state(0, Json::object())).ok());
}

}  // namespace
}  // namespace berth::test
