// The flannel plugin with bridge and host-local behind it: what it passes on, what it keeps, and pods of two "nodes"
// that reach each other.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
#include "support/flanneld_host.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::Netlink;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FlannelTest : public FlanneldHost {
 protected:
  Json error(const std::string& command) const {
    const auto result = call(command);
    EXPECT_EQ(1, result.exit_status.value_or(-1)) << result.output << result.error;
    return result.ok() ? Json{{"code", 0}, {"msg", ""}} : Json::parse(result.output);
  }

  /// ADD must fail with this code and text, and change nothing at all.
  void expect_refused(unsigned code, const std::string& text) const {
    const auto before = everything();
    const auto failed = error("ADD");
    EXPECT_EQ(code, failed["code"].get<unsigned>()) << failed.dump();
    EXPECT_THAT(failed["msg"].get<std::string>() + " " + failed.value("details", ""), HasSubstr(text));
    EXPECT_EQ(before, everything());
  }

  /// What a stand-in for the delegate was last given on stdin.
  Json given() const { return Json::parse(base::read_file(scratch() + "/given")); }
  /// A directory with a plugin "probe" that writes down what it is asked and answers like the real ones.
  std::string probe() const {
    const auto path = write("bin/probe", "#!/bin/sh\ncat > " + scratch() + "/given\necho \"$CNI_COMMAND\" >> " +
                                             scratch() + "/commands\n" +
                                             R"([ "$CNI_COMMAND" = "$PROBE_FAILS" ] && exit 3
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.244.1.2/24"}]}'
exit 0
)");
    ::chmod(path.c_str(), 0755);
    return scratch() + "/bin";
  }
};

TEST_F(FlannelTest, ThePodGetsAnAddressOfTheNodesSubnetAndARouteToTheCluster) {
  const auto result = add();
  EXPECT_EQ("10.244.1.2/24", result["ips"][0]["address"]);
  EXPECT_EQ(Json::parse(R"([{"dst": "10.244.0.0/16"}])"), result["routes"]);
  auto inside = Netlink::in(box_->open());
  const auto eth0 = inside.link("eth0");
  EXPECT_EQ(1450U, eth0.mtu);
  const auto routes = inside.routes(net::Family::kIpv4, eth0.index);
  EXPECT_TRUE(std::any_of(routes.begin(), routes.end(), [](const net::LinkRoute& route) {
    return route.dst.to_string() == "10.244.0.0/16" && route.gw == net::IpAddress::parse("10.244.1.1");
  }));
  EXPECT_EQ("bridge", Netlink::here().link("cni0").kind);
}

TEST_F(FlannelTest, WhatIsMissingInTheDelegateIsFilledIn) {
  config_["delegate"] = {{"type", "probe"}, {"key", "value"}};
  config_["runtimeConfig"] = {{"mac", "02:11:22:33:44:55"}};
  ASSERT_TRUE(call("ADD", "eth0", probe()).ok());
  EXPECT_EQ(nlohmann::json::parse(R"({"type": "probe", "key": "value", "name": "cbr0", "cniVersion": "1.0.0",
    "ipMasq": false, "mtu": 1450, "runtimeConfig": {"mac": "02:11:22:33:44:55"},
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]], "routes": [{"dst": "10.244.0.0/16"}]}})"),
            nlohmann::json::parse(given().dump()));
}

TEST_F(FlannelTest, WhatTheDelegateSaysStaysAsItIs) {
  config_["delegate"] = {{"type", "probe"}, {"ipMasq", true}, {"MTU", 1300}};
  config_["ipam"] = Json::parse(
      R"({"type": "other", "dataDir": "/x", "Ranges": [[{"subnet": "10.9.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]})");
  ASSERT_TRUE(call("ADD", "eth0", probe()).ok());
  EXPECT_EQ(true, given()["ipMasq"]);
  EXPECT_EQ(1300, given()["MTU"]);
  EXPECT_FALSE(given().contains("mtu"));
  EXPECT_EQ(nlohmann::json::parse(R"({"type": "other", "dataDir": "/x", "ranges": [[{"subnet": "10.244.1.0/24"}]],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.244.0.0/16"}]})"),
            nlohmann::json::parse(given()["ipam"].dump()));
}

TEST_F(FlannelTest, SeveralNetworksAndBothFamiliesAreThereOnceEach) {
  write_subnet_file(
      "# written by flanneld\nFLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16,10.244.0.0/16\n"
      "FLANNEL_IPV6_NETWORK=fd44::/48\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_IPV6_SUBNET=fd44:0:0:1::1/64\n"
      "FLANNEL_MTU=1400\nFLANNEL_IPMASQ=false\n");
  config_["delegate"] = {{"type", "probe"}};
  ASSERT_TRUE(call("ADD", "eth0", probe()).ok());
  EXPECT_EQ(Json::parse(R"([[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd44:0:0:1::/64"}]])"),
            given()["ipam"]["ranges"]);
  EXPECT_EQ(Json::parse(R"([{"dst": "10.244.0.0/16"}, {"dst": "10.245.0.0/16"}, {"dst": "fd44::/48"}])"),
            given()["ipam"]["routes"]);
  EXPECT_EQ(true, given()["ipMasq"]);
  EXPECT_FALSE(given().contains("isGateway"));
}

TEST_F(FlannelTest, EveryResultVersionIsPassedOn) {
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    config_["cniVersion"] = version;
    const auto result = add();
    EXPECT_EQ(version, result["cniVersion"]);
    EXPECT_TRUE(result.contains("ip4") || result["ips"].size() == 1) << result.dump();
    expect_ok("DEL");
  }
}

TEST_F(FlannelTest, DelGoesByWhatWasKeptWhateverTheSubnetIsByThen) {
  const auto fresh = [&] { return must_run({"ip", "-n", "box", "-br", "link"}); };
  const auto before = fresh();
  add();
  EXPECT_THAT(kept(), ElementsAre("box"));
  EXPECT_EQ(std::filesystem::perms(0600), std::filesystem::status(std::string(kDataDir) + "/box").permissions());
  std::filesystem::remove("/run/flannel/subnet.env");
  expect_ok("DEL");
  EXPECT_EQ(before, fresh());
  EXPECT_THAT(kept(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/networks/cbr0/10.244.1.2"));
  expect_ok("DEL");
}

TEST_F(FlannelTest, DelSucceedsWithoutNamespaceAndReleasesTheAddress) {
  add();
  box_->remove();
  expect_ok("DEL");
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/networks/cbr0/10.244.1.2"));
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(FlannelTest, DelWithNothingOrNonsenseOnRecordSucceeds) {
  expect_ok("DEL");
  base::make_directories(kDataDir, 0700);
  base::write_file_atomic(std::string(kDataDir) + "/box", "{\"name\":", 0600);
  expect_ok("DEL");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(FlannelTest, DelHandsPrevResultToTheDelegate) {
  config_["delegate"] = {{"type", "probe"}};
  const auto added = call("ADD", "eth0", probe());
  ASSERT_TRUE(added.ok()) << added.output;
  config_["prevResult"] = Json::parse(added.output);
  ASSERT_TRUE(call("DEL", "eth0", scratch() + "/bin").ok());
  EXPECT_EQ(config_["prevResult"], given()["prevResult"]);
}

TEST_F(FlannelTest, AFailingDelOfTheDelegateKeepsTheRecord) {
  config_["delegate"] = {{"type", "probe"}};
  ASSERT_TRUE(call("ADD", "eth0", probe()).ok());
  write("bin/probe", "#!/bin/sh\nexit 3\n");
  ::chmod((scratch() + "/bin/probe").c_str(), 0755);
  EXPECT_FALSE(call("DEL", "eth0", scratch() + "/bin").ok());
  EXPECT_THAT(kept(), ElementsAre("box"));
}

TEST_F(FlannelTest, TwoAttachmentsOfOneContainerAreKeptApart) {
  add("eth0");
  config_["name"] = "second";
  config_["delegate"] = {{"bridge", "cni1"}, {"isGateway", false}};
  add("eth1");
  EXPECT_THAT(kept(), ElementsAre("box", "box:eth1"));
  config_["name"] = "cbr0";
  config_.erase("delegate");
  expect_ok("DEL", "eth0");
  EXPECT_THAT(kept(), ElementsAre("box:eth1"));
  EXPECT_TRUE(Netlink::in(box_->open()).find_link("eth1"));
  EXPECT_FALSE(Netlink::in(box_->open()).find_link("eth0"));
  config_["name"] = "second";
  expect_ok("DEL", "eth1");
  EXPECT_THAT(kept(), IsEmpty());
  EXPECT_FALSE(Netlink::in(box_->open()).find_link("eth1"));
}

TEST_F(FlannelTest, AFileOfTheReferenceServesDelAsWell) {
  add();
  auto theirs = Json::parse(base::read_file(std::string(kDataDir) + "/box"));
  theirs.erase("berth.attachment");
  base::write_file_atomic(std::string(kDataDir) + "/box", theirs.dump(), 0600);
  expect_ok("DEL");
  EXPECT_THAT(kept(), IsEmpty());
  EXPECT_FALSE(Netlink::in(box_->open()).find_link("eth0"));
}

TEST_F(FlannelTest, AMissingOrUnfinishedSubnetFileMeansTryAgainLater) {
  std::filesystem::remove("/run/flannel/subnet.env");
  expect_refused(11, "failed to load flannel 'subnet.env' file: open /run/flannel/subnet.env: no such file");
  write_subnet_file("FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_MTU=1450\n");
  expect_refused(11, "/run/flannel/subnet.env is missing FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET, FLANNEL_IPMASQ");
  write_subnet_file("FLANNEL_NETWORK=10.244.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1\nFLANNEL_IPMASQ=true\n");
  expect_refused(11, "FLANNEL_NETWORK=10.244.0/16: invalid CIDR address");
  write_subnet_file(
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=x\nFLANNEL_IPMASQ=true\n");
  expect_refused(11, "FLANNEL_MTU=x: not a number");
  config_["subnetFile"] = "/nowhere/subnet.env";
  expect_refused(11, "/nowhere/subnet.env");
}

TEST_F(FlannelTest, MistakesInTheConfigurationAreNamed) {
  const auto expect = [&](const char* key, const char* value, const std::string& text) {
    const Json good = config_;
    config_[key] = Json::parse(value);
    expect_refused(7, text);
    config_ = good;
  };
  expect("delegate", R"({"name": "x"})", "'delegate' dictionary must not have 'name' field, it'll be set by flannel");
  expect("delegate", R"({"ipam": {}})", "'delegate' dictionary must not have 'ipam' field, it'll be set by flannel");
  expect("delegate", R"({"type": 5})", "'delegate' dictionary, if present, must have (string) 'type' field");
  expect("delegate", R"("bridge")", "delegate: expected an object");
  expect("ipam", R"({"routes": "x"})", "ipam.routes");
  expect("subnetFile", "5", "subnetFile");
  expect("delegate", R"({"type": "brigde"})", "failed to find plugin \"brigde\"");
  expect("delegate", R"({"vlan": 5000})", "invalid VLAN ID 5000");
}

TEST_F(FlannelTest, AFailingDelegateLeavesNothingAndIsToldToCleanUp) {
  config_["delegate"] = {{"type", "probe"}};
  const auto plugins = probe();
  auto script = base::read_file(plugins + "/probe");
  script.insert(script.find("cat >"), "PROBE_FAILS=ADD\n");
  base::write_file_atomic(plugins + "/probe", script, 0755);
  EXPECT_FALSE(call("ADD", "eth0", plugins).ok());
  EXPECT_EQ("ADD\nDEL\n", base::read_file(scratch() + "/commands"));
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(FlannelTest, AnInterfaceNameThatIsTakenIsRefusedAndLeftAlone) {
  must_run({"ip", "link", "add", "peer0", "type", "veth", "peer", "name", "eth0", "netns", "box"});
  expect_refused(999, "interface eth0 already exists in /run/netns/box");
}

TEST_F(FlannelTest, CheckAsksTheDelegate) {
  config_["prevResult"] = add();
  expect_ok("CHECK");
  must_run({"ip", "-n", "box", "address", "flush", "dev", "eth0"});
  EXPECT_THAT(error("CHECK")["msg"].get<std::string>(), HasSubstr("10.244.1.2/24"));
  std::filesystem::remove(std::string(kDataDir) + "/box");
  EXPECT_THAT(error("CHECK")["msg"].get<std::string>(), HasSubstr("no record of eth0 of container box"));
  config_.erase("prevResult");
  EXPECT_EQ(7, error("CHECK")["code"]);
}

TEST_F(FlannelTest, StatusNeedsTheSubnetFileAndAsksTheDelegate) {
  config_["cniVersion"] = "1.1.0";
  expect_ok("STATUS");
  must_run({"ip", "link", "add", "cni0", "type", "veth", "peer", "name", "peer0"});
  EXPECT_EQ(50, error("STATUS")["code"]);
  must_run({"ip", "link", "delete", "cni0"});
  std::filesystem::remove("/run/flannel/subnet.env");
  EXPECT_EQ(50, error("STATUS")["code"]);
  config_["delegate"] = {{"name", "x"}};
  EXPECT_EQ(7, error("STATUS")["code"]);
}

TEST_F(FlannelTest, GcDeletesAttachmentsThatAreNotValidAndNothingElse) {
  config_["cniVersion"] = "1.1.0";
  add("eth0");
  config_["name"] = "other";
  config_["delegate"] = {{"bridge", "cni1"}, {"isGateway", false}};
  add("eth1");
  config_["name"] = "cbr0";
  config_.erase("delegate");
  ASSERT_TRUE(call("ADD", "eth2", built_directory(), "dead").ok());
  // A lease without a record, as after a crash between the two.
  base::write_file_atomic("/var/lib/cni/networks/cbr0/10.244.1.77", "lost\r\neth0", 0600);

  expect_ok("GC");  // without a list nothing is known to be stale
  EXPECT_THAT(kept(), ElementsAre("box", "box:eth1", "dead"));
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "box", "ifname": "eth0"}])");
  expect_ok("GC");
  EXPECT_THAT(kept(), ElementsAre("box", "box:eth1"));
  EXPECT_TRUE(std::filesystem::exists("/var/lib/cni/networks/cbr0/10.244.1.2"));
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/networks/cbr0/10.244.1.3"));
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/networks/cbr0/10.244.1.77"));
  EXPECT_TRUE(std::filesystem::exists("/var/lib/cni/networks/other/10.244.1.2"));
}

TEST_F(FlannelTest, GcRemovesStaleFilesOfTheReferenceWhoseLeasesTheDelegateCollects) {
  config_["cniVersion"] = "1.1.0";
  add();
  auto theirs = Json::parse(base::read_file(std::string(kDataDir) + "/box"));
  theirs.erase("berth.attachment");
  for (const char* id : {"box", "alive"})
    base::write_file_atomic(std::string(kDataDir) + "/" + id, theirs.dump(), 0600);
  std::filesystem::remove("/run/flannel/subnet.env");
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "alive", "ifname": "eth0"}])");
  expect_ok("GC");
  EXPECT_THAT(kept(), ElementsAre("alive"));
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/networks/cbr0/10.244.1.2"));
}

/// A host of a cluster, joined to the others by `uplink`.
class Node {
 public:
  Node(int number, const std::string& directory)
      : netns_("node" + std::to_string(number)),
        pod_("pod" + std::to_string(number)),
        directory_(directory + "/node" + std::to_string(number)) {
    base::make_directories(directory_, 0755);
    base::write_file_atomic(directory_ + "/subnet.env",
                            "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244." + std::to_string(number) +
                                ".1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
                            0644);
  }

  const std::string& name() const { return netns_.name(); }
  const NamedNetNs& pod() const { return pod_; }

  base::CommandResult call(const char* command) const {
    const Json config = {{"cniVersion", "1.0.0"},
                         {"name", "cbr0"},
                         {"type", "flannel"},
                         {"subnetFile", directory_ + "/subnet.env"},
                         {"dataDir", directory_ + "/flannel"},
                         {"ipam", {{"dataDir", directory_ + "/networks"}}}};
    const std::map<std::string, std::string> env{
        {"CNI_COMMAND", command}, {"CNI_CONTAINERID", "pod"}, {"CNI_NETNS", pod_.path()}, {"CNI_IFNAME", "eth0"}};
    return netns_.open().within([&] { return run_plugin(built("flannel"), env, config.dump()); });
  }

 private:
  NamedNetNs netns_;
  NamedNetNs pod_;
  std::string directory_;
};

TEST_F(FlannelTest, PodsOfTwoNodesReachEachOther) {
  Node first(1, scratch());
  Node second(2, scratch());
  must_run({"ip", "link", "add", "up1", "netns", first.name(), "type", "veth", "peer", "name", "up2", "netns",
            second.name()});
  const auto join = [](const Node& node, const std::string& uplink, const std::string& address,
                       const std::string& pods_there, const std::string& other) {
    must_run({"ip", "-n", node.name(), "address", "add", address, "dev", uplink});
    must_run({"ip", "-n", node.name(), "link", "set", uplink, "up"});
    must_run({"ip", "-n", node.name(), "route", "add", pods_there, "via", other});
  };
  join(first, "up1", "192.168.0.1/24", "10.244.2.0/24", "192.168.0.2");
  join(second, "up2", "192.168.0.2/24", "10.244.1.0/24", "192.168.0.1");
  for (const Node* node : {&first, &second}) {
    const auto added = node->call("ADD");
    ASSERT_TRUE(added.ok()) << added.output << added.error;
  }

  const auto ping = [](const Node& from, const char* address) {
    return run(
        {"ip", "netns", "exec", from.pod().name(), system_program("busybox"), "ping", "-c", "1", "-W", "2", address});
  };
  EXPECT_TRUE(ping(first, "10.244.2.2").ok());
  EXPECT_TRUE(ping(second, "10.244.1.2").ok());
  EXPECT_TRUE(ping(first, "10.244.2.1").ok());

  for (const Node* node : {&first, &second}) EXPECT_TRUE(node->call("DEL").ok());
  EXPECT_FALSE(ping(first, "10.244.2.2").ok());
}

}  // namespace
}  // namespace berth::test
