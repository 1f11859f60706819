// Pods: `berth run --pod`, and the program that holds their namespaces.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "net/ip.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class PodTest : public ContainerSandbox {
 protected:
  /// The bundle that is installed beside berth, with the built program.
  std::string pause_bundle() const {
    const auto directory = scratch() + "/pause";
    if (exists(directory)) return directory;
    base::make_directories(directory + "/rootfs", 0755);
    fs::copy_file(std::string(BERTH_TEST_SOURCE) + "/conf/bundles/pause/config.json", directory + "/config.json");
    fs::copy_file(built("pause"), directory + "/rootfs/pause");
    return directory;
  }

  void run_pod(const std::string& id, const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> words{"run", "--detach", "--bundle", pause_bundle()};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(id);
    must_berth(words);
  }

  /// Runs a shell script as a member of a pod, in the foreground; what it printed.
  std::string in_pod(const std::string& pod, const std::string& script, const std::vector<std::string>& flags = {},
                     const Edit& edit = {}) const {
    std::vector<std::string> words{"run", "--pod", pod, "--bundle", bundle({"sh", "-c", script}, edit, "member")};
    words.insert(words.end(), flags.begin(), flags.end());
    words.emplace_back("member");
    return must_berth(words);
  }

  static std::string namespace_of(const std::string& id, const std::string& type) {
    return fs::read_symlink("/proc/" + std::to_string(pid_of(id)) + "/ns/" + type).string();
  }

  std::string refusal(const std::vector<std::string>& flags, const Edit& edit = {}) const {
    std::vector<std::string> words{"create", "--bundle", bundle({"true"}, edit, "refused")};
    words.insert(words.end(), flags.begin(), flags.end());
    words.emplace_back("member");
    const auto result = berth(words);
    EXPECT_EQ(1, result.exit_status);
    EXPECT_NE(0, berth({"state", "member"}).exit_status) << "something was left";
    return result.error;
  }
};

TEST_F(PodTest, TwoCommandsMakeAPodWithAPublishedPort) {
  const std::string lists = write("net.d/web.conflist", R"({"cniVersion": "1.0.0", "name": "web", "plugins": [
      {"type": "bridge", "bridge": "web0", "isGateway": true, "ipMasq": true,
       "ipam": {"type": "host-local", "subnet": "10.44.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}},
      {"type": "portmap", "capabilities": {"portMappings": true}}]})");
  run_pod("pod", {"--network", "web", "--publish", "8080:80", "--net-dir", scratch() + "/net.d"});
  must_berth({"run", "--detach", "--pod", "pod", "--bundle",
              shell_bundle("echo hello > /tmp/index.html; httpd -f -h /tmp",
                           [](base::Json& spec) { spec["root"]["readonly"] = false; }),
              "app"});
  EXPECT_EQ("hello\n", http_get(net::IpAddress::parse("127.0.0.1"), 8080));
  EXPECT_EQ("hello\n", in_pod("pod", "wget -qO- http://127.0.0.1/"));
  EXPECT_EQ("80/tcp -> 0.0.0.0:8080\n", must_berth({"port", "pod"}));
  must_berth({"delete", "--force", "app"});
  must_berth({"delete", "--force", "pod"});
  EXPECT_FALSE(answers(net::IpAddress::parse("127.0.0.1"), 8080));
}

TEST_F(PodTest, MembersShareNetworkIpcAndNameAndNothingElse) {
  run_pod("pod");
  must_berth({"run", "--detach", "--pod", "pod", "--bundle", bundle({"sleep", "1000"}), "app"});
  for (const char* type : {"net", "ipc", "uts"})
    EXPECT_EQ(namespace_of("pod", type), namespace_of("app", type)) << type;
  for (const char* type : {"pid", "mnt"}) EXPECT_NE(namespace_of("pod", type), namespace_of("app", type)) << type;
  EXPECT_EQ("pod\n", must_berth({"exec", "app", "hostname"}));
  EXPECT_EQ("1\n", in_pod("pod", "echo $$"));
  must_berth({"delete", "--force", "app"});
  must_berth({"delete", "--force", "pod"});
}

TEST_F(PodTest, WithSharedPidsThePauseProgramIsTheFirstProcessAndEndsOrphans) {
  run_pod("pod");
  const auto processes = in_pod("pod", "(sleep 0.05 &); sleep 0.3; ps -o pid,stat,comm", {"--share", "pid"});
  EXPECT_THAT(processes, ::testing::ContainsRegex("1 S +pause"));
  EXPECT_THAT(processes, Not(HasSubstr("sleep"))) << "an orphan was not reaped";
  EXPECT_THAT(processes, Not(HasSubstr(" Z")));
  must_berth({"delete", "--force", "pod"});
}

TEST_F(PodTest, ThePauseProgramExitsWhenItIsTold) {
  for (const char* signal : {"TERM", "INT"}) {
    run_pod("pod");
    // Until it waits for signals the kernel drops them: it is the first process of its namespace.
    const auto takes_signals = [] {
      const auto status = base::read_file("/proc/" + std::to_string(pid_of("pod")) + "/status");
      return status.starts_with("Name:\tpause\n") && status.find("\nState:\tS") != std::string::npos;
    };
    ASSERT_TRUE(eventually(takes_signals));
    must_berth({"kill", "pod", signal});
    EXPECT_TRUE(eventually([] { return status_of("pod") == "stopped"; })) << signal;
    must_berth({"delete", "pod"});
  }
}

TEST_F(PodTest, AMemberCanBeEnteredAndOutlivesNothing) {
  run_pod("pod");
  must_berth({"run", "--detach", "--pod", "pod", "--share", "pid", "--bundle", bundle({"sleep", "1000"}), "app"});
  EXPECT_THAT(must_berth({"exec", "app", "ps", "-o", "args"}), HasSubstr("/pause"));
  // The kernel ends a pid namespace with its first process.
  must_berth({"delete", "--force", "pod"});
  EXPECT_TRUE(eventually([] { return status_of("app") == "stopped"; }));
  must_berth({"delete", "app"});
}

TEST_F(PodTest, WhatCannotBeJoinedIsNamedAndNothingIsMade) {
  run_pod("pod");
  EXPECT_THAT(refusal({"--pod", "nobody"}), HasSubstr("--pod nobody: container does not exist"));
  EXPECT_THAT(refusal({"--pod", "../x"}), HasSubstr("--pod ../x: invalid container ID format"));
  EXPECT_THAT(refusal({"--share", "pid"}), HasSubstr("--share pid needs --pod"));
  EXPECT_THAT(refusal({"--pod", "pod", "--share", "mount"}), HasSubstr("--share: unknown namespace \\\"mount\\\""));
  EXPECT_THAT(refusal({"--pod", "pod", "--publish", "8080:80"}),
              HasSubstr("give these flags to the container that owns it"));
  EXPECT_THAT(refusal({"--pod", "pod"},
                      [](base::Json& spec) {
                        for (auto& entry : spec["linux"]["namespaces"]) {
                          if (entry["type"] == "ipc") entry["path"] = "/proc/self/ns/ipc";
                        }
                      }),
              HasSubstr("config.json joins another ipc namespace: linux.namespaces: path /proc/self/ns/ipc"));
  EXPECT_THAT(refusal({"--pod", "pod"}, [](base::Json& spec) { spec["linux"]["namespaces"] = "none"; }),
              HasSubstr("config.json: namespaces: expected array, got"));
  must_berth({"kill", "pod", "KILL"});
  EXPECT_TRUE(eventually([] { return status_of("pod") == "stopped"; }));
  EXPECT_THAT(refusal({"--pod", "pod"}), HasSubstr("--pod pod: container not running: it is stopped"));
  must_berth({"delete", "pod"});
}

TEST_F(PodTest, ContainersWithTheHostsNamespacesHoldNoPod) {
  must_berth({"run", "--detach", "--bundle",
              bundle({"sleep", "1000"},
                     [](base::Json& spec) {
                       spec["linux"]["namespaces"] =
                           base::Json::parse(R"([{"type": "pid"}, {"type": "mount"}, {"type": "uts"}])");
                       spec["linux"].erase("sysctl");
                     }),
              "host"});
  EXPECT_THAT(refusal({"--pod", "host"}), HasSubstr("it has no network namespace of its own, but shares the host's"));
  must_berth({"delete", "--force", "host"});
}

}  // namespace
}  // namespace berth::test
