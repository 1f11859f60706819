// The macvlan plugin: containers on the network of a host's interface; what it did is read back from the kernel, and
// used.
#include <gmock/gmock.h>

#include "net/sysctl.h"
#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::MacvlanMode;
using net::Netlink;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kConfigError = 7;

class MacvlanTest : public PluginTest {
 protected:
  MacvlanTest() : PluginTest("macvlan") {}

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    if (!kernel_has("macvlan")) GTEST_SKIP() << lacks("macvlan");
    lan_ = std::make_unique<Lan>();
    config_["master"] = "lan0";
  }

  std::unique_ptr<Lan> lan_;
};

TEST_F(MacvlanTest, AContainerIsOnTheNetworkOfTheMaster) {
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 1U);
  EXPECT_EQ(result["interfaces"][0]["mac"], eth0().mac.to_string());
  EXPECT_EQ(result["interfaces"][0]["sandbox"], "/run/netns/box");
  EXPECT_EQ(result["interfaces"][0]["mtu"], 1500);
  EXPECT_EQ(result["ips"][0]["interface"], 0);
  EXPECT_EQ(eth0().kind, "macvlan");
  EXPECT_EQ(eth0().parent, lan_->master().index);
  EXPECT_EQ(eth0().macvlan_mode, MacvlanMode::kBridge);
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.2/24"));
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  EXPECT_TRUE(ping("peer", "10.1.0.2"));
  expect_ok("CHECK");
}

TEST_F(MacvlanTest, DualStackIsUsableAtOnceAndAnnouncedWheneverItComesUp) {
  config_["ipam"]["ranges"] = Json::parse(
      R"([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5"}], [{"subnet": "fd01::/64", "rangeStart": "fd01::5"}]])");
  add();
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.5/24", "fd01::5/64"));
  EXPECT_TRUE(ping("peer", "fd01::5"));
  EXPECT_EQ(sysctl_inside("net/ipv4/conf/eth0/arp_notify"), "1");
  EXPECT_EQ(sysctl_inside("net/ipv6/conf/eth0/ndisc_notify"), "1");
}

TEST_F(MacvlanTest, ANeighbourThatRemembersAnotherOwnerOfTheAddressIsCorrected) {
  must_run(
      {"ip", "-n", "peer", "neigh", "add", "10.1.0.2", "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0"});
  add();
  EXPECT_THAT(must_run({"ip", "-n", "peer", "neigh", "show", "10.1.0.2"}), HasSubstr(eth0().mac.to_string()));
}

TEST_F(MacvlanTest, AWebServerInAContainerIsReadFromItsSiblingInBridgeMode) {
  add();
  write("www/index.html", "berth");
  const Background server(
      {"ip", "netns", "exec", "box", system_program("busybox"), "httpd", "-f", "-p", "80", "-h", scratch() + "/www"});
  NamedNetNs sibling("sibling");
  config_.erase("prevResult");
  add(attachment("sibling", sibling.path()));
  const auto page = sibling.open().within([] { return http_get(net::IpAddress::parse("10.1.0.2"), 80); });
  EXPECT_EQ(page, "berth");
}

TEST_F(MacvlanTest, SiblingsInPrivateModeDoNotReachEachOther) {
  NamedNetNs sibling("sibling");
  config_["mode"] = "private";
  add();
  EXPECT_EQ(eth0().macvlan_mode, MacvlanMode::kPrivate);
  expect_ok("CHECK");
  config_.erase("prevResult");
  add(attachment("sibling", sibling.path()));
  EXPECT_FALSE(ping("sibling", "10.1.0.2"));
  EXPECT_TRUE(ping("sibling", "10.1.0.1"));
}

TEST_F(MacvlanTest, VepaLeavesSiblingsToTheSwitch) {
  config_["mode"] = "vepa";
  add();
  EXPECT_EQ(eth0().macvlan_mode, MacvlanMode::kVepa);
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  expect_ok("CHECK");
}

TEST_F(MacvlanTest, PassthruTakesTheMasterOverAndGivesItBack) {
  config_["mode"] = "passthru";
  const auto before = lan_->master();
  const auto result = add();
  EXPECT_EQ(result["interfaces"][0]["mac"], before.mac.to_string());
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  expect_ok("CHECK");
  NamedNetNs sibling("sibling");
  config_.erase("prevResult");
  EXPECT_THAT(message("ADD", attachment("sibling", sibling.path())), HasSubstr("create macvlan eth0"));
  expect_ok("DEL");

  config_["mac"] = "02:00:00:00:00:07";
  EXPECT_EQ(add()["interfaces"][0]["mac"], "02:00:00:00:00:07");
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  expect_ok("DEL");
  EXPECT_EQ(lan_->master().mac, before.mac);
  EXPECT_EQ(lan_->master().is_promiscuous(), before.is_promiscuous());
}

TEST_F(MacvlanTest, AHardwareAddressMayComeFromFourPlacesInOrder) {
  config_["mac"] = "02:00:00:00:00:01";
  EXPECT_EQ(add()["interfaces"][0]["mac"], "02:00:00:00:00:01");
  EXPECT_EQ(eth0().mac.to_string(), "02:00:00:00:00:01");
  expect_ok("DEL");
  const Environment env{{"CNI_ARGS", "IgnoreUnknown=1;MAC=02:00:00:00:00:02"}};
  EXPECT_EQ(add(env)["interfaces"][0]["mac"], "02:00:00:00:00:02");
  expect_ok("DEL", env);
  config_["args"] = Json::parse(R"({"cni": {"mac": "02:00:00:00:00:03"}})");
  EXPECT_EQ(add(env)["interfaces"][0]["mac"], "02:00:00:00:00:03");
  expect_ok("DEL", env);
  config_["runtimeConfig"] = Json::parse(R"({"mac": "02:00:00:00:00:04"})");
  EXPECT_EQ(add(env)["interfaces"][0]["mac"], "02:00:00:00:00:04");
  expect_ok("CHECK");
}

TEST_F(MacvlanTest, TheMtuIsTheMastersUnlessASmallerOneIsWanted) {
  Netlink::here().set_mtu(lan_->master().index, 1400);
  add();
  EXPECT_EQ(eth0().mtu, 1400U);
  expect_ok("DEL");
  config_["mtu"] = 1300;
  add();
  EXPECT_EQ(eth0().mtu, 1300U);
  expect_ok("CHECK");
}

TEST_F(MacvlanTest, TheBroadcastQueueMayBeLonger) {
  config_["bcqueuelen"] = 5000;
  add();
  if (eth0().broadcast_queue_length == 0) GTEST_SKIP() << "this kernel has no IFLA_MACVLAN_BC_QUEUE_LEN";
  EXPECT_EQ(eth0().broadcast_queue_length, 5000U);
  expect_ok("CHECK");
  config_["bcqueuelen"] = 6000;
  EXPECT_THAT(message("CHECK"), HasSubstr("bcqueuelen is 6000"));
}

TEST_F(MacvlanTest, WithoutIpamTheLinkIsUpAndHasNoAddress) {
  config_.erase("ipam");
  const auto result = add();
  EXPECT_EQ(result["interfaces"].size(), 1U);
  EXPECT_FALSE(result.contains("ips") && !result["ips"].empty());
  EXPECT_TRUE(eth0().is_up());
  EXPECT_THAT(addresses(), IsEmpty());
  expect_ok("CHECK");
  expect_ok("STATUS");
  expect_ok("GC");
  expect_ok("DEL");
  EXPECT_FALSE(has_eth0());
  for (const char* version : {"0.1.0", "0.2.0"}) {
    config_.erase("prevResult");
    config_["cniVersion"] = version;
    EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("no valid IP addresses"));
  }
}

TEST_F(MacvlanTest, TheMasterMayBeALinkOfTheContainer) {
  const auto there = netns();
  net::VethPair cable;
  cable.near.name = "far0";
  cable.far.name = "lan1";
  cable.far.netns = &there;
  cable.near_up = true;
  Netlink::here().create_veth(cable);
  auto container = inside();
  container.set_up(container.link("lan1").index);
  config_["master"] = "lan1";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("failed to lookup master \"lan1\""));
  config_["linkInContainer"] = true;
  add();
  EXPECT_EQ(eth0().parent, container.link("lan1").index);
  EXPECT_FALSE(eth0().parent_netns_id);
  expect_ok("CHECK");
  expect_ok("STATUS");
  config_["linkInContainer"] = false;
  EXPECT_THAT(message("CHECK"), HasSubstr("master \"lan1\""));
  expect_ok("DEL");
  EXPECT_TRUE(inside().find_link("lan1"));
}

TEST_F(MacvlanTest, AMacvlanMayBeTheMasterOfAnother) {
  must_run({"ip", "link", "add", "mac0", "link", "lan0", "type", "macvlan", "mode", "bridge"});
  config_["master"] = "mac0";
  add();
  EXPECT_EQ(eth0().parent, lan_->master().index);
  expect_ok("CHECK");
}

TEST_F(MacvlanTest, CheckFindsAnotherModeAndAnotherHardwareAddress) {
  add();
  config_["mode"] = "vepa";
  EXPECT_THAT(message("CHECK"), HasSubstr("mode"));
  config_["mode"] = "bridge";
  inside().set_mac(eth0().index, net::MacAddress::parse("02:00:00:00:00:09"));
  EXPECT_THAT(message("CHECK"), HasSubstr("02:00:00:00:00:09"));
}

TEST_F(MacvlanTest, WrongValuesAreNamedAndChangeNothing) {
  struct Case {
    const char* keys;
    const char* message;
  };
  const std::vector<Case> cases{
      {R"({"mode": "brigde"})", "brigde"},
      {R"({"mode": 4})", "mode"},
      {R"({"mac": "02:00"})", "02:00"},
      {R"({"mac": "01:00:00:00:00:01"})", "01:00:00:00:00:01"},
      {R"({"mac": 1})", "mac"},
      {R"({"bcqueuelen": -1})", "bcqueuelen"},
      {R"({"bcqueuelen": 4294967296})", "bcqueuelen"},
      {R"({"linkInContainer": "yes"})", "linkInContainer"},
  };
  const auto plain = config_;
  for (const auto& wrong : cases) {
    SCOPED_TRACE(wrong.keys);
    config_ = plain;
    config_.update(Json::parse(wrong.keys));
    const auto object = failed_add();
    EXPECT_EQ(object["code"], kConfigError);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(wrong.message));
  }
}

}  // namespace
}  // namespace berth::test
