// The ipvlan plugin: containers on the network of a host's interface, with its hardware address.
#include <gmock/gmock.h>

#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpvlanMode;
using net::Netlink;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kConfigError = 7;

class IpvlanTest : public PluginTest {
 protected:
  IpvlanTest() : PluginTest("ipvlan") {}

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    if (!kernel_has("ipvlan")) GTEST_SKIP() << lacks("ipvlan");
    lan_ = std::make_unique<Lan>();
    config_["master"] = "lan0";
  }

  /// What a plugin before this one in the list has left.
  void chain_behind(const std::string& interfaces) {
    config_.erase("ipam");
    config_.erase("master");
    config_["prevResult"] = Json::parse(R"({"cniVersion": "1.1.0",
      "ips": [{"address": "10.1.0.9/24", "gateway": "10.1.0.1", "interface": 0}],
      "routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["192.0.2.53"]}})");
    config_["prevResult"]["interfaces"] = Json::parse(interfaces);
  }

  std::unique_ptr<Lan> lan_;
};

TEST_F(IpvlanTest, AContainerHasTheMastersHardwareAddressAndANetworkOfItsOwn) {
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 1U);
  EXPECT_EQ(result["interfaces"][0]["mac"], lan_->master().mac.to_string());
  EXPECT_EQ(result["interfaces"][0]["sandbox"], "/run/netns/box");
  EXPECT_EQ(result["ips"][0]["interface"], 0);
  EXPECT_EQ(eth0().ipvlan_mode, IpvlanMode::kL2);
  EXPECT_EQ(eth0().parent, lan_->master().index);
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  EXPECT_TRUE(ping("peer", "10.1.0.2"));
  EXPECT_EQ(sysctl_inside("net/ipv4/conf/eth0/arp_notify"), "1");
  EXPECT_EQ(sysctl_inside("net/ipv6/conf/eth0/ndisc_notify"), "1");
}

TEST_F(IpvlanTest, DualStackIsUsableAtOnce) {
  config_["ipam"]["ranges"] = Json::parse(R"([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5"}],
                                              [{"subnet": "fd01::/64", "rangeStart": "fd01::5"}]])");
  add();
  EXPECT_TRUE(ping("peer", "fd01::5"));
  expect_ok("CHECK");
}

TEST_F(IpvlanTest, ANeighbourThatRemembersAnotherOwnerOfTheAddressIsCorrected) {
  must_run(
      {"ip", "-n", "peer", "neigh", "add", "10.1.0.2", "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0"});
  add();
  EXPECT_THAT(must_run({"ip", "-n", "peer", "neigh", "show", "10.1.0.2"}), HasSubstr(eth0().mac.to_string()));
}

TEST_F(IpvlanTest, SiblingsReachEachOtherInEveryMode) {
  write("www/index.html", "berth");
  NamedNetNs sibling("sibling");
  for (const auto& [name, mode] : std::vector<std::pair<std::string, IpvlanMode>>{
           {"l2", IpvlanMode::kL2}, {"l3", IpvlanMode::kL3}, {"l3s", IpvlanMode::kL3s}}) {
    SCOPED_TRACE(name);
    config_["mode"] = name;
    config_.erase("prevResult");
    const auto address = add()["ips"][0]["address"].get<std::string>();
    EXPECT_EQ(eth0().ipvlan_mode, mode);
    EXPECT_EQ(eth0().resolves(), mode == IpvlanMode::kL2);
    expect_ok("CHECK");
    const auto whole = config_;
    config_.erase("prevResult");
    add(attachment("sibling", sibling.path()));
    const Background server(
        {"ip", "netns", "exec", "box", system_program("busybox"), "httpd", "-f", "-p", "80", "-h", scratch() + "/www"});
    const auto host = net::IpNet::parse(address).address;
    EXPECT_EQ(sibling.open().within([&] { return http_get(host, 80, "/", kPatience); }), "berth");
    expect_ok("DEL", attachment("sibling", sibling.path()));
    config_ = whole;
    expect_ok("DEL");
  }
}

TEST_F(IpvlanTest, CheckFindsAnotherMode) {
  add();
  config_["mode"] = "l3";
  EXPECT_THAT(message("CHECK"), HasSubstr("mode"));
}

TEST_F(IpvlanTest, TheMtuMayBeSmallerThanTheMasters) {
  config_["mtu"] = 1300;
  add();
  EXPECT_EQ(eth0().mtu, 1300U);
  expect_ok("CHECK");
}

TEST_F(IpvlanTest, BehindAnotherPluginItTakesThatPluginsInterfaceAndAddresses) {
  chain_behind(R"([{"name": "lan0", "mac": "02:00:00:00:00:01"}])");
  const auto result = add();
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.9/24"));
  EXPECT_EQ(eth0().parent, lan_->master().index);
  ASSERT_EQ(result["interfaces"].size(), 1U);
  EXPECT_EQ(result["interfaces"][0]["name"], "eth0");
  EXPECT_EQ(result["ips"][0]["interface"], 0);
  EXPECT_EQ(result["routes"], Json::parse(R"([{"dst": "0.0.0.0/0"}])"));
  EXPECT_EQ(result["dns"], Json::parse(R"({"nameservers": ["192.0.2.53"]})"));
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  expect_ok("CHECK");
  expect_ok("STATUS");
  expect_ok("GC");
  expect_ok("DEL");
  EXPECT_FALSE(has_eth0());
}

TEST_F(IpvlanTest, BehindAnotherPluginTheMasterMustBeClear) {
  for (const char* interfaces : {"[]", R"([{"name": "lan0"}, {"name": "lan1"}])"}) {
    chain_behind(interfaces);
    const auto object = failed_add();
    EXPECT_EQ(object["code"], kConfigError);
    EXPECT_EQ(object["msg"], "chained master failure. PrevResult lacks a single named interface");
  }
  chain_behind(R"([{"name": "lan0"}, {"name": "lan1"}])");
  config_["master"] = "lan0";
  add();
  EXPECT_EQ(eth0().parent, lan_->master().index);
}

TEST_F(IpvlanTest, WithoutIpamAndWithoutAddressesBeforeItIsRefused) {
  config_.erase("ipam");
  EXPECT_EQ(failed_add()["code"], kConfigError);
  chain_behind(R"([{"name": "lan0"}])");
  config_["prevResult"].erase("ips");
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("ipam"));
}

TEST_F(IpvlanTest, TheMasterMayBeALinkOfTheContainer) {
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
}

TEST_F(IpvlanTest, AnUnknownModeIsNamed) {
  for (const auto& mode : {Json("l4"), Json("bridge"), Json(2)}) {
    config_["mode"] = mode;
    const auto object = failed_add();
    EXPECT_EQ(object["code"], kConfigError);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(mode.is_string() ? mode.get<std::string>() : "mode"));
  }
}

}  // namespace
}  // namespace berth::test
