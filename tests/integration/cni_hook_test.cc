// cni-hook with a State as a runtime would send it, a real namespace held by a sleeping process, and real plugins.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Annotations = std::map<std::string, std::string>;

/// A plugin in shell: it writes down how it was called, and fails if a file FAIL-COMMAND-NETWORK is beside it.
const char* const kRecorder = R"sh(#!/bin/busybox sh
read -r config
name=$(echo "$config" | busybox sed 's/.*"name":"\([^"]*\)".*/\1/')
here=${0%/*}
echo "$CNI_COMMAND $name $CNI_CONTAINERID $CNI_IFNAME ${CNI_NETNS:-none} $CNI_ARGS" >> "$here/calls"
echo "$config" >> "$here/configs"
busybox env >> "$here/env"
if [ -e "$here/FAIL-$CNI_COMMAND-$name" ]; then
  echo '{"cniVersion": "1.0.0", "code": 117, "msg": "out of cables", "details": "drawer empty"}'
  exit 1
fi
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.2/24"}]}'
exit 0
)sh";

class CniHookTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (::access("/bin/busybox", X_OK) != 0) GTEST_SKIP() << "needs /bin/busybox";
    write("plugins/recorder", kRecorder);
    ::chmod((scratch() + "/plugins/recorder").c_str(), 0755);
    for (const char* name : {"one", "two"}) recorded_network(name, R"({"portMappings": true})");
    recorded_network("plain", "{}");
    netns_ = std::make_unique<NamedNetNs>("box");
    container_ = std::make_unique<Background>(
        std::vector<std::string>{system_program("ip"), "netns", "exec", "box", "/bin/busybox", "sleep", "60"});
    wait_until_inside();
  }

  void TearDown() override {
    container_.reset();
    netns_.reset();
    Sandbox::TearDown();
  }

  void recorded_network(const std::string& name, const std::string& capabilities) {
    write("net.d/" + name + ".conflist", R"({"cniVersion": "1.0.0", "name": ")" + name +
                                             R"(", "plugins": [{"type": "recorder", "capabilities": )" + capabilities +
                                             "}]}");
  }

  void wait_until_inside() const {
    const auto path = "/proc/" + std::to_string(container_->pid()) + "/ns/net";
    for (int i = 0; i < 500 && !net::NetNs::open(path).same_as(netns_->open()); ++i) ::usleep(10'000);
    ASSERT_TRUE(net::NetNs::open(path).same_as(netns_->open()));
  }

  base::CommandResult hook(const std::vector<std::string>& arguments, const std::string& status,
                           const Annotations& annotations, pid_t pid, const std::string& id = "c1",
                           std::map<std::string, std::string> env = {}) const {
    Json state = {{"ociVersion", "1.3.0"}, {"id", id}, {"status", status}, {"bundle", scratch() + "/bundle"}};
    if (pid != 0) state["pid"] = pid;
    state["annotations"] = annotations;
    env.try_emplace("BERTH_NET_DIR", scratch() + "/net.d");
    env.try_emplace("BERTH_CNI_PATH", scratch() + "/plugins");
    std::vector<std::string> argv{built("cni-hook")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    RunOptions options;
    options.env = std::move(env);
    options.input = state.dump();
    return run(argv, options);
  }
  base::CommandResult create(const Annotations& annotations) const {
    return hook({"createRuntime"}, "creating", annotations, container_->pid());
  }
  base::CommandResult stop(const Annotations& annotations = {}) const {
    return hook({"poststop"}, "stopped", annotations, 0);
  }

  std::string recorded(const std::string& file) const {
    const auto path = scratch() + "/plugins/" + file;
    return ::access(path.c_str(), F_OK) == 0 ? base::read_file(path) : "";
  }
  /// COMMAND NETWORK of each call so far.
  std::string calls() const {
    std::string text;
    std::istringstream lines(recorded("calls"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string command, network;
      words >> command >> network;
      text += (text.empty() ? "" : ", ") + command + " " + network;
    }
    return text;
  }
  void let_fail(const std::string& command, const std::string& network) const {
    write("plugins/FAIL-" + command + "-" + network, "");
  }
  size_t cached() const {
    const std::filesystem::path results("/var/lib/cni/results");
    if (!std::filesystem::exists(results)) return 0;
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(results), {}));
  }

  std::unique_ptr<NamedNetNs> netns_;
  std::unique_ptr<Background> container_;
};

TEST_F(CniHookTest, NetworksAreAttachedInOrderAndDetachedInReverse) {
  const Annotations annotations{{"org.berth.networks", "one,two:data0"}, {"org.berth.args", "A=B"}};
  const auto created = create(annotations);
  ASSERT_TRUE(created.ok()) << created.error;
  EXPECT_EQ(2U, cached());
  const auto netns = "/proc/" + std::to_string(container_->pid()) + "/ns/net";
  EXPECT_EQ("ADD one c1 eth0 " + netns + " IgnoreUnknown=1;A=B;BERTH_CONTAINER_ID=c1\n" +  //
                "ADD two c1 data0 " + netns + " IgnoreUnknown=1;A=B;BERTH_CONTAINER_ID=c1\n",
            recorded("calls"));
  const auto stopped = stop(annotations);
  ASSERT_TRUE(stopped.ok()) << stopped.error;
  EXPECT_EQ("ADD one, ADD two, DEL two, DEL one", calls());
  EXPECT_EQ(0U, cached());
}

TEST_F(CniHookTest, PluginsGetNothingOfTheRuntimesEnvironment) {
  ASSERT_TRUE(hook({}, "creating", {{"org.berth.networks", "one"}}, container_->pid(), "c1",
                   {{"SECRET", "x"}, {"CNI_ARGS", "IP=1.2.3.4"}, {"CNI_COMMAND", "DEL"}})
                  .ok());
  EXPECT_THAT(recorded("env"), AllOf(Not(HasSubstr("SECRET")), Not(HasSubstr("1.2.3.4")), HasSubstr("PATH=")));
}

TEST_F(CniHookTest, AFailedAddIsUndoneWithTheEarlierNetworks) {
  let_fail("ADD", "two");
  const auto before = host_state();
  const auto created = create({{"org.berth.networks", "one,two,plain"}});
  EXPECT_EQ(1, created.exit_status);
  EXPECT_EQ(
      "cni-hook: network \"two\": plugin type=\"recorder\" failed (add): out of cables (CNI error 117); drawer empty\n",
      created.error);
  EXPECT_EQ("ADD one, ADD two, DEL two, DEL one", calls());
  EXPECT_EQ(before, host_state());
}

TEST_F(CniHookTest, PoststopNeedsNeitherNamespaceNorAnnotations) {
  ASSERT_TRUE(create({{"org.berth.networks", "one,two"}}).ok());
  container_.reset();
  netns_.reset();
  const auto stopped = stop();
  ASSERT_TRUE(stopped.ok()) << stopped.error;
  EXPECT_THAT(recorded("calls"), AllOf(HasSubstr("DEL one c1 eth0 none"), HasSubstr("DEL two c1 eth1 none")));
  EXPECT_EQ(0U, cached());
}

TEST_F(CniHookTest, PoststopWithoutAnythingRecordedSucceeds) {
  const auto stopped = stop();
  EXPECT_TRUE(stopped.ok()) << stopped.error;
  EXPECT_THAT(calls(), IsEmpty());
}

TEST_F(CniHookTest, PoststopTriesAllAndKeepsWhatFailed) {
  const Annotations annotations{{"org.berth.networks", "one,two"}};
  ASSERT_TRUE(create(annotations).ok());
  let_fail("DEL", "two");
  const auto stopped = stop(annotations);
  EXPECT_EQ(1, stopped.exit_status);
  EXPECT_THAT(stopped.error, AllOf(HasSubstr("network \"two\""), HasSubstr("out of cables")));
  EXPECT_EQ("ADD one, ADD two, DEL two, DEL one", calls());
  EXPECT_EQ(1U, cached());
  std::filesystem::remove(scratch() + "/plugins/FAIL-DEL-two");
  EXPECT_TRUE(stop().ok());
  EXPECT_EQ(0U, cached());
}

TEST_F(CniHookTest, PoststopLeavesOtherContainersAlone) {
  ASSERT_TRUE(create({{"org.berth.networks", "one"}}).ok());
  ASSERT_TRUE(
      hook({"createRuntime"}, "creating", {{"org.berth.networks", "one"}}, container_->pid(), "b-c1-eth0").ok());
  ASSERT_TRUE(stop().ok());
  EXPECT_EQ(1U, cached());
  EXPECT_TRUE(std::filesystem::exists("/var/lib/cni/results/one-b-c1-eth0-eth0"));
}

TEST_F(CniHookTest, ALeftoverOfTheSameContainerIsRemovedFirst) {
  const Annotations annotations{{"org.berth.networks", "one"}};
  ASSERT_TRUE(create(annotations).ok());
  ASSERT_TRUE(create(annotations).ok());
  EXPECT_EQ("ADD one, DEL one, ADD one", calls());
}

TEST_F(CniHookTest, PortsGoToTheFirstNetworkThatCanPublish) {
  ASSERT_TRUE(
      create({{"org.berth.networks", "plain,one,two"}, {"org.berth.ports", "127.0.0.1:8080:80,5353:53/udp"}}).ok());
  std::istringstream lines(recorded("configs"));
  std::vector<Json> configs;
  for (std::string line; std::getline(lines, line);) configs.push_back(Json::parse(line));
  ASSERT_EQ(3U, configs.size());
  EXPECT_FALSE(configs[0].contains("runtimeConfig"));
  EXPECT_FALSE(configs[2].contains("runtimeConfig"));
  EXPECT_EQ(Json::parse(R"([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"},
                                 {"hostPort": 5353, "containerPort": 53, "protocol": "udp"}])"),
            configs[1]["runtimeConfig"]["portMappings"]);
}

TEST_F(CniHookTest, PortsThatNoNetworkCanPublishAreRefused) {
  const auto created = create({{"org.berth.networks", "plain"}, {"org.berth.ports", "8080:80"}});
  EXPECT_FALSE(created.ok());
  EXPECT_THAT(created.error, AllOf(HasSubstr("8080:80/tcp"), HasSubstr("portMappings")));
  EXPECT_THAT(calls(), IsEmpty());
}

TEST_F(CniHookTest, EveryMistakeIsNamedBeforeAnythingIsDone) {
  const auto before = host_state();
  const auto error = [&](const Annotations& annotations) {
    const auto created = create(annotations);
    EXPECT_EQ(1, created.exit_status);
    return created.error;
  };
  EXPECT_THAT(error({{"org.berth.networks", "one,../x"}}), HasSubstr("org.berth.networks"));
  EXPECT_THAT(error({{"org.berth.networks", "one"}, {"org.berth.ports", "0:80"}}), HasSubstr("org.berth.ports"));
  EXPECT_THAT(error({{"org.berth.networks", "one,missing"}}), HasSubstr("no net configuration with name \"missing\""));
  write("net.d/stray.conflist", R"({"cniVersion": "1.0.0", "name": "stray", "plugins": [{"type": "nobody"}]})");
  EXPECT_THAT(error({{"org.berth.networks", "one,stray"}}), HasSubstr("failed to find plugin \"nobody\""));
  EXPECT_THAT(error({{"org.berth.networks", "one"}, {"org.berth.network.two.ips", "10.0.0.1"}}),
              HasSubstr("not attached to network \"two\""));
  EXPECT_THAT(calls(), IsEmpty());
  EXPECT_EQ(before, host_state());
}

TEST_F(CniHookTest, TheHostsOwnNamespaceIsRefusedIfNetworksAreAskedFor) {
  const auto refused = hook({"createRuntime"}, "creating", {{"org.berth.networks", "one"}}, ::getpid());
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.error, HasSubstr("no network namespace of its own"));
  EXPECT_THAT(calls(), IsEmpty());
  const auto nothing = hook({"createRuntime"}, "creating", {}, ::getpid());
  EXPECT_TRUE(nothing.ok()) << nothing.error;
}

TEST_F(CniHookTest, TheNamespaceIsTheOneTheBundleJoins) {
  write("bundle/config.json", R"({"linux": {"namespaces": [{"type": "network", "path": "/run/netns/box"}]}})");
  ASSERT_TRUE(hook({"createRuntime"}, "creating", {{"org.berth.networks", "one"}}, ::getpid()).ok());
  EXPECT_THAT(recorded("calls"), HasSubstr("ADD one c1 eth0 /run/netns/box "));
}

TEST_F(CniHookTest, TheStageComesFromEnvironmentArgumentOrStatus) {
  const Annotations annotations{{"org.berth.networks", "one"}};
  EXPECT_TRUE(hook({}, "created", annotations, container_->pid()).ok());
  EXPECT_TRUE(hook({}, "stopped", annotations, 0).ok());
  EXPECT_TRUE(hook({"prestart"}, "created", annotations, container_->pid()).ok());
  EXPECT_TRUE(hook({"prestart"}, "created", annotations, 0, "c1", {{"OCI_HOOK_STAGE", "poststop"}}).ok());
  EXPECT_EQ("ADD one, DEL one, ADD one, DEL one", calls());
  EXPECT_THAT(hook({"startContainer"}, "created", annotations, 0).error, HasSubstr("hook stage \"startContainer\""));
  EXPECT_THAT(hook({}, "running", annotations, 0).error, HasSubstr("container status \"running\""));
}

TEST_F(CniHookTest, AnIdThatIsNoneForCniIsMapped) {
  ASSERT_TRUE(hook({}, "created", {{"org.berth.networks", "one"}}, container_->pid(), "_a+b").ok());
  EXPECT_THAT(recorded("calls"), HasSubstr("ADD one c_a_b-"));
  ASSERT_TRUE(hook({}, "stopped", {}, 0, "_a+b").ok());
  EXPECT_EQ(0U, cached());
}

TEST_F(CniHookTest, PortsAloneGiveTheDefaultNetwork) {
  if (::access(built("portmap").c_str(), X_OK) != 0) GTEST_SKIP() << "needs portmap";
  const auto before = host_state();
  const auto created = hook({"createRuntime"}, "creating", {{"org.berth.ports", "8080:80"}}, container_->pid(), "c1",
                            {{"BERTH_CNI_PATH", built_directory()}, {"BERTH_NET_DIR", "/nowhere"}});
  ASSERT_TRUE(created.ok()) << created.error;
  netns_->open().within([] {
    auto netlink = net::Netlink::here();
    const auto addresses = netlink.addresses(netlink.link("eth0").index, net::Family::kIpv4);
    ASSERT_EQ(1U, addresses.size());
    EXPECT_EQ("10.213.0.2/16", addresses.front().address.to_string());
  });
  EXPECT_TRUE(std::filesystem::exists("/var/lib/cni/networks/berth/10.213.0.2"));
  const auto stopped = hook({"poststop"}, "stopped", {{"org.berth.ports", "8080:80"}}, 0, "c1",
                            {{"BERTH_CNI_PATH", built_directory()}, {"BERTH_NET_DIR", "/nowhere"}});
  ASSERT_TRUE(stopped.ok()) << stopped.error;
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/networks/berth/10.213.0.2"));
  // The namespace outlived the container: its interface was found by its hardware address, and is gone, too.
  netns_->open().within([] { EXPECT_FALSE(net::Netlink::here().find_link("eth0")); });
}

TEST_F(CniHookTest, ARecycledProcessIdIsNotMistakenForTheContainer) {
  ASSERT_TRUE(create({{"org.berth.networks", "one"}}).ok());
  // The process is there, but nothing shows that this is still the namespace of the attachment.
  ASSERT_TRUE(stop().ok());
  EXPECT_THAT(recorded("calls"), HasSubstr("DEL one c1 eth0 none"));
}

}  // namespace
}  // namespace berth::test
