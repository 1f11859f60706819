// berth network ls, inspect, check and gc.

#include <gmock/gmock.h>

#include "base/json.h"
#include "net/ip.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class NetworkCommandTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    write("net.d/10-web.conflist", R"({"cniVersion": "1.1.0", "name": "web", "plugins": [
      {"type": "bridge", "bridge": "web0", "isGateway": true, "ipMasq": true,
       "ipam": {"type": "host-local", "subnet": "10.44.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}},
      {"type": "portmap", "capabilities": {"portMappings": true}}]})");
    write("net.d/20-lo.conflist", R"({"cniVersion": "1.0.0", "name": "lo", "plugins": [{"type": "loopback"}]})");
  }

  base::CommandResult network(std::vector<std::string> words) const {
    words.insert(words.begin(), "network");
    words.insert(words.end(), {"--net-dir", scratch() + "/net.d"});
    return berth(words);
  }

  Json json(std::vector<std::string> words, int exit_status = 0) const {
    words.insert(words.end(), {"--format", "json"});
    const auto result = network(words);
    EXPECT_EQ(exit_status, result.exit_status) << result.error;
    return Json::parse(result.output);
  }

  void run_web(const std::string& id, const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> words{
        "run",       "--detach",           "--network", "web",
        "--net-dir", scratch() + "/net.d", "--bundle",  bundle({"sh", "-c", kServer}, {}, id)};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(id);
    must_berth(words);
  }

  static constexpr const char* kServer = "echo hello > /dev/shm/index.html; httpd -f -h /dev/shm";

  /// Ends a container without anybody telling the hook, as a crash of the host's services would.
  void lose(const std::string& id) const {
    must_run({"kill", "-KILL", std::to_string(pid_of(id))});
    ASSERT_TRUE(eventually([&] { return status_of(id) == "stopped"; }));
    ASSERT_TRUE(eventually([&] { return json({"inspect", "web"})[0]["attachments"][0]["alive"] == false; }));
  }
};

TEST_F(NetworkCommandTest, LsNamesEveryNetworkAndCountsWhoIsAttached) {
  EXPECT_THAT(network({"ls"}).output, AllOf(HasSubstr("NETWORK"), HasSubstr("web "), HasSubstr("bridge,portmap")));
  run_web("a");
  run_web("b");
  const auto networks = json({"ls"});
  ASSERT_EQ(2U, networks.size());
  EXPECT_EQ("lo", networks[0]["name"]);
  EXPECT_EQ(0U, networks[0]["attachments"].size());
  EXPECT_EQ("web", networks[1]["name"]);
  EXPECT_EQ("1.1.0", networks[1]["cniVersion"]);
  EXPECT_EQ(scratch() + "/net.d/10-web.conflist", networks[1]["path"]);
  EXPECT_EQ(2U, networks[1]["attachments"].size());
  must_berth({"delete", "--force", "a"});
  must_berth({"delete", "--force", "b"});
  EXPECT_EQ(0U, json({"ls"})[1]["attachments"].size());
}

TEST_F(NetworkCommandTest, InspectShowsTheTreeOfBridgeAttachmentsAddressesAndPorts) {
  run_web("a", {"--publish", "127.0.0.1:8080:80"});
  run_web("b", {"--publish", "[::1]:8081:81/udp"});
  const auto tree = network({"inspect", "web"}).output;
  EXPECT_THAT(tree, HasSubstr("└─ web0  up  10.44.0.1/24\n"));
  EXPECT_THAT(tree, ::testing::ContainsRegex(
                        "   ├─ a eth0  10\\.44\\.0\\.2/24  veth[0-9a-f]+  127\\.0\\.0\\.1:8080->80/tcp\n"));
  EXPECT_THAT(tree,
              ::testing::ContainsRegex("   └─ b eth0  10\\.44\\.0\\.3/24  veth[0-9a-f]+  \\[::1\\]:8081->81/udp\n"));
  const auto web = json({"inspect", "web"})[0];
  EXPECT_EQ("web0", web["bridge"]["name"]);
  EXPECT_EQ(true, web["bridge"]["up"]);
  EXPECT_EQ("a", web["attachments"][0]["containerID"]);
  EXPECT_EQ(true, web["attachments"][0]["alive"]);
  EXPECT_EQ("10.44.0.2/24", web["attachments"][0]["addresses"][0]);
  must_berth({"delete", "--force", "a"});
  must_berth({"delete", "--force", "b"});
}

TEST_F(NetworkCommandTest, CheckFindsDamageAndRepairMendsIt) {
  run_web("a", {"--publish", "8080:80"});
  EXPECT_EQ("ok", json({"check"})[0]["state"]);
  const auto veth = json({"inspect", "web"})[0]["attachments"][0]["hostInterfaces"][0].get<std::string>();
  must_run({"ip", "link", "delete", veth});
  const auto damaged = json({"check", "web"}, 1)[0];
  EXPECT_EQ("damaged", damaged["state"]);
  EXPECT_THAT(damaged["message"].get<std::string>(), HasSubstr("plugin type=\"bridge\" failed (check)"));
  EXPECT_EQ("repaired", json({"check", "--repair"})[0]["state"]);
  EXPECT_EQ("ok", json({"check"})[0]["state"]);
  EXPECT_EQ("hello\n", http_get(net::IpAddress::parse("127.0.0.1"), 8080));
  must_berth({"delete", "--force", "a"});
  EXPECT_EQ(0U, json({"check"}).size());
}

TEST_F(NetworkCommandTest, WhatCannotBeRepairedIsSaid) {
  run_web("a");
  must_run({"ip", "link", "delete", "web0"});
  must_run({"ip", "link", "add", "web0", "type", "veth"});
  const auto result = json({"check", "--repair"}, 1)[0];
  EXPECT_EQ("damaged", result["state"]);
  EXPECT_THAT(result["message"].get<std::string>(), HasSubstr("; repair: "));
  must_run({"ip", "link", "delete", "web0"});
  must_berth({"delete", "--force", "a"});
}

TEST_F(NetworkCommandTest, WhatHasLostItsContainerIsGoneUntilItIsCollected) {
  const auto before = host_state();
  run_web("a", {"--publish", "8080:80"});
  lose("a");
  EXPECT_THAT(network({"inspect", "web"}).output, HasSubstr("(gone)"));
  EXPECT_EQ("gone", json({"check"}, 1)[0]["state"]);
  run_web("b");
  const auto collected = json({"gc"});
  ASSERT_EQ(1U, collected.size());
  EXPECT_EQ("removed", collected[0]["state"]);
  EXPECT_EQ("a", collected[0]["containerID"]);
  const auto left = json({"inspect", "web"})[0]["attachments"];
  ASSERT_EQ(1U, left.size());
  EXPECT_EQ("b", left[0]["containerID"]);
  EXPECT_EQ("ok", json({"check"})[0]["state"]);
  must_berth({"delete", "--force", "a"});
  must_berth({"delete", "--force", "b"});
  must_run({"ip", "link", "delete", "web0"});
  EXPECT_EQ(before, host_state());
}

TEST_F(NetworkCommandTest, RepairRemovesWhatIsGone) {
  run_web("a");
  lose("a");
  EXPECT_EQ("removed", json({"check", "--repair", "web"})[0]["state"]);
  EXPECT_EQ(0U, json({"inspect", "web"})[0]["attachments"].size());
  must_berth({"delete", "--force", "a"});
}

TEST_F(NetworkCommandTest, AttachmentsOutliveTheirConfigurationFile) {
  run_web("a");
  must_run({"rm", scratch() + "/net.d/10-web.conflist"});
  EXPECT_THAT(network({"inspect"}).output, HasSubstr("web  1.1.0  bridge,portmap  (no configuration)"));
  EXPECT_EQ("ok", json({"check", "web"})[0]["state"]);
  must_berth({"delete", "--force", "a"});
}

TEST_F(NetworkCommandTest, MistakesAreNamed) {
  EXPECT_THAT(network({"inspect", "nowhere"}).error,
              HasSubstr("no network \\\"nowhere\\\" in " + scratch() + "/net.d"));
  EXPECT_THAT(network({"ls", "--format", "yaml"}).error, HasSubstr("invalid format option"));
  EXPECT_THAT(network({"frobnicate"}).error, HasSubstr("unknown command \\\"frobnicate\\\""));
  write("net.d/00-broken.conflist", "{");
  const auto listed = network({"ls"});
  EXPECT_EQ(0, listed.exit_status);
  EXPECT_THAT(listed.error, HasSubstr("00-broken.conflist: "));
  EXPECT_THAT(listed.output, HasSubstr("web"));
}

}  // namespace
}  // namespace berth::test
