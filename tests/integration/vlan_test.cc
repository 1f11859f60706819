// The vlan plugin: containers on one 802.1Q VLAN of a host's interface.
#include <gmock/gmock.h>

#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::Netlink;
using ::testing::HasSubstr;

constexpr int kConfigError = 7;
constexpr int kVlanTaken = 100;

class VlanTest : public PluginTest {
 protected:
  VlanTest() : PluginTest("vlan") {}

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    if (!kernel_has("vlan")) GTEST_SKIP() << lacks("vlan");
    lan_ = std::make_unique<Lan>();
    config_["master"] = "lan0";
    config_["vlanId"] = 100;
    config_["ipam"]["ranges"] =
        Json::parse(R"([[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd07::/64", "rangeStart": "fd07::2"}]])");
  }

  /// The machine at the other end of the cable has 10.7.0.1 on this VLAN.
  static void put_peer_on(const std::string& vlan) {
    must_run({"ip", "-n", "peer", "link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", vlan});
    must_run({"ip", "-n", "peer", "address", "add", "10.7.0.1/24", "dev", "tagged"});
    must_run({"ip", "-n", "peer", "address", "add", "fd07::1/64", "dev", "tagged", "nodad"});
    must_run({"ip", "-n", "peer", "link", "set", "tagged", "up"});
  }

  std::unique_ptr<Lan> lan_;
};

TEST_F(VlanTest, AContainerIsOnTheVlanAndOnNoOther) {
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 1U);
  EXPECT_EQ(result["interfaces"][0]["mac"], lan_->master().mac.to_string());
  EXPECT_EQ(result["interfaces"][0]["sandbox"], "/run/netns/box");
  EXPECT_EQ(eth0().vlan_id, 100);
  EXPECT_EQ(eth0().parent, lan_->master().index);
  put_peer_on("100");
  write("www/index.html", "berth");
  const Background server(
      {"ip", "netns", "exec", "box", system_program("busybox"), "httpd", "-f", "-p", "80", "-h", scratch() + "/www"});
  const auto page =
      lan_->peer().open().within([] { return http_get(net::IpAddress::parse("10.7.0.2"), 80, "/", kPatience); });
  EXPECT_EQ(page, "berth");
  EXPECT_TRUE(ping("box", "fd07::1"));
  expect_ok("CHECK");

  must_run({"ip", "-n", "peer", "link", "delete", "tagged"});
  put_peer_on("101");
  EXPECT_FALSE(ping("peer", "10.7.0.2"));
}

TEST_F(VlanTest, ANeighbourThatRemembersAnotherOwnerOfTheAddressIsCorrected) {
  put_peer_on("100");
  must_run(
      {"ip", "-n", "peer", "neigh", "add", "10.7.0.2", "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "tagged"});
  add();
  EXPECT_THAT(must_run({"ip", "-n", "peer", "neigh", "show", "10.7.0.2"}), HasSubstr(eth0().mac.to_string()));
}

TEST_F(VlanTest, AVlanOfAMasterHasOneInterface) {
  add();
  config_.erase("prevResult");
  const NamedNetNs sibling("sibling");
  const auto before = everything();
  auto object = error("ADD", attachment("sibling", sibling.path()));
  EXPECT_EQ(object["code"], kVlanTaken);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("vlanId 100 of master \"lan0\""));
  EXPECT_EQ(everything(), before);
  config_["vlanId"] = 101;
  add(attachment("sibling", sibling.path()));
}

TEST_F(VlanTest, TheIdsOfTheStandardAreTaken) {
  for (const int id : {0, 1, 4094}) {
    config_["vlanId"] = id;
    config_.erase("prevResult");
    add();
    EXPECT_EQ(eth0().vlan_id, id);
    expect_ok("CHECK");
    expect_ok("DEL");
  }
}

TEST_F(VlanTest, TheMtuIsTheMastersUnlessASmallerOneIsWanted) {
  config_["mtu"] = 1300;
  add();
  EXPECT_EQ(eth0().mtu, 1300U);
  expect_ok("CHECK");
}

TEST_F(VlanTest, TheMasterMayBeALinkOfTheContainer) {
  const auto there = netns();
  net::VethPair cable;
  cable.near.name = "far0";
  cable.near_up = true;
  cable.far.name = "lan1";
  cable.far.netns = &there;
  Netlink::here().create_veth(cable);
  auto container = inside();
  container.set_up(container.link("lan1").index);
  config_["master"] = "lan1";
  config_["linkInContainer"] = true;
  add();
  EXPECT_EQ(eth0().parent, container.link("lan1").index);
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_TRUE(container.find_link("lan1"));
}

TEST_F(VlanTest, AMasterThatIsDownIsAnErrorThatLeavesNothing) {
  Netlink::here().set_down(lan_->master().index);
  failed_add();
  EXPECT_FALSE(has_eth0());
}

TEST_F(VlanTest, CheckFindsAnotherVlanAndAnotherMaster) {
  add();
  config_["vlanId"] = 101;
  EXPECT_THAT(message("CHECK"), HasSubstr("vlanId says 101"));
  config_["vlanId"] = 100;
  must_run({"ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1"});
  config_["master"] = "other0";
  EXPECT_THAT(message("CHECK"), HasSubstr("not on master \"other0\""));
}

TEST_F(VlanTest, WrongValuesAreNamedAndChangeNothing) {
  struct Case {
    const char* keys;
    const char* message;
  };
  const std::vector<Case> cases{
      {R"({"vlanId": 4095})", "invalid VLAN ID 4095"},
      {R"({"vlanId": -1})", "invalid VLAN ID -1"},
      {R"({"vlanId": "100"})", "vlanId"},
      {R"({"master": ""})", "\"master\" field is required"},
      {R"({"ipam": {}})", "IPAM"},
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
