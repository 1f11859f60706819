// The host-device plugin, run as a runtime runs it. One end of a cable serves as the device: what happens to it is read
// back from the kernel, and it is used.
#include <gmock/gmock.h>

#include "net/sysctl.h"
#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::Netlink;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kConfigError = 7;

class HostDeviceTest : public PluginTest {
 protected:
  HostDeviceTest() : PluginTest("host-device") {}

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    // Link-local addresses come back by themselves, but later: no comparison could wait for them.
    net::sysctl::write("net/ipv6/conf/default/addr_gen_mode", "1");
    lan_ = std::make_unique<Lan>();
    config_["device"] = "lan0";
    config_["ipam"]["ranges"][0][0]["rangeStart"] = "10.1.0.2";
  }

  void use_layer_2() { config_.erase("ipam"); }

  static std::optional<net::Link> lan0() { return Netlink::here().find_link("lan0"); }

  /// An IPAM plugin that sends the plugin a signal, and answers all the same.
  void use_ipam_that_interrupts() {
    config_["ipam"] = {{"type", "canned"}};
    write("plugins/canned",
          "#!/bin/sh\n[ \"$CNI_COMMAND\" = ADD ] || exit 0\ntrap '' TERM\nkill -TERM $PPID\n"
          "printf '%s' '{\"cniVersion\": \"1.1.0\", \"ips\": [{\"address\": \"10.1.0.2/24\"}]}'\n");
    must_run({"chmod", "+x", scratch() + "/plugins/canned"});
  }

  std::unique_ptr<Lan> lan_;
};

TEST_F(HostDeviceTest, TheContainerHasTheDeviceUnderItsOwnName) {
  const auto before = *lan0();
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 1U);
  EXPECT_EQ(result["interfaces"][0],
            (Json{{"name", "eth0"}, {"mac", before.mac.to_string()}, {"sandbox", "/run/netns/box"}, {"mtu", 1500}}));
  EXPECT_EQ(result["ips"][0]["interface"], 0);
  EXPECT_FALSE(lan0());
  EXPECT_EQ(eth0().mac, before.mac);
  EXPECT_EQ(eth0().alias, "lan0") << "by which it finds its way back";
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.2/24"));
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  EXPECT_TRUE(ping("peer", "10.1.0.2"));
  expect_ok("CHECK");
}

TEST_F(HostDeviceTest, TheHostHasItBackAfterwards) {
  const auto before = *lan0();
  add();
  expect_ok("DEL");
  ASSERT_TRUE(lan0());
  EXPECT_EQ(lan0()->mac, before.mac);
  EXPECT_EQ(lan0()->alias, "");
  EXPECT_FALSE(lan0()->is_up());
  EXPECT_THAT(Netlink::here().addresses(lan0()->index), IsEmpty());
  EXPECT_FALSE(has_eth0());
  EXPECT_THAT(leases(), IsEmpty());
  add();
  EXPECT_TRUE(ping("box", "10.1.0.1")) << "and can lend it again";
}

TEST_F(HostDeviceTest, NamesDoNotClashOnTheWay) {
  use_layer_2();
  // The host has an eth0 of its own, and the container a lan0.
  Netlink::here().create_bridge("eth0", 0, false);
  inside().create_bridge("lan0", 0, false);
  add();
  EXPECT_EQ(eth0().kind, "veth");
  EXPECT_EQ(inside().link("lan0").kind, "bridge");
  EXPECT_EQ(Netlink::here().link("eth0").kind, "bridge");
  expect_ok("DEL");
  EXPECT_EQ(lan0()->kind, "veth");
  EXPECT_EQ(inside().link("lan0").kind, "bridge");
  EXPECT_EQ(Netlink::here().link("eth0").kind, "bridge");
}

TEST_F(HostDeviceTest, AHardwareAddressNamesTheDevice) {
  config_.erase("device");
  config_["hwaddr"] = lan0()->mac.to_string();
  add();
  EXPECT_FALSE(lan0());
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_TRUE(lan0());
}

TEST_F(HostDeviceTest, TheNameComesBeforeTheHardwareAddress) {
  config_["hwaddr"] = "02:00:00:00:00:99";
  add();
  EXPECT_FALSE(lan0());
}

TEST_F(HostDeviceTest, AMacvlanCanBeLentToo) {
  if (!kernel_has("macvlan")) GTEST_SKIP() << lacks("macvlan");
  auto host = Netlink::here();
  net::ChildLink child;
  child.name = "mv0";
  child.parent = lan0()->index;
  host.create_macvlan(child, net::MacvlanMode::kBridge, 0);
  config_["device"] = "mv0";
  add();
  EXPECT_EQ(eth0().kind, "macvlan");
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  expect_ok("DEL");
  EXPECT_EQ(host.link("mv0").kind, "macvlan");
}

TEST_F(HostDeviceTest, DualStackIsUsableAtOnce) {
  config_["ipam"]["ranges"] = Json::parse(
      R"([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5"}], [{"subnet": "fd01::/64", "rangeStart": "fd01::5"}]])");
  add();
  EXPECT_TRUE(ping("box", "fd01::1"));
  expect_ok("CHECK");
}

TEST_F(HostDeviceTest, WithoutIpamTheDeviceIsUpAndHasNoAddress) {
  use_layer_2();
  add();
  EXPECT_TRUE(eth0().is_up());
  EXPECT_THAT(addresses(), IsEmpty());
  expect_ok("CHECK");
}

TEST_F(HostDeviceTest, AFailedAddPutsBackWhatTheDeviceWas) {
  auto host = Netlink::here();
  must_run({"ip", "link", "set", "lan0", "alias", "the uplink"});
  for (const char* address : {"192.0.2.2/24", "2001:db8::2/64"}) {
    host.add_address(lan0()->index, {net::IpNet::parse(address), true, 0});
  }
  must_run({"ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.1"});
  must_run({"ip", "route", "add", "192.0.2.99", "dev", "lan0"});
  must_run({"ip", "-6", "route", "add", "2001:db8:1::/48", "via", "2001:db8::1"});
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "203.0.113.0/24", "gw": "203.0.113.1"}])");
  const auto object = failed_add();
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("203.0.113.0/24"));
  ASSERT_TRUE(lan0());
  EXPECT_EQ(lan0()->alias, "the uplink");
  EXPECT_TRUE(lan0()->is_up());
  EXPECT_THAT(must_run({"ip", "route"}), AllOf(HasSubstr("198.51.100.0/24 via 192.0.2.1"), HasSubstr("192.0.2.99")));
  EXPECT_THAT(must_run({"ip", "-6", "route"}), HasSubstr("2001:db8:1::/48 via 2001:db8::1"));
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_F(HostDeviceTest, AFailedAddPutsADeviceThatWasDownBackDownAndAPortBackIntoItsBridge) {
  auto host = Netlink::here();
  host.create_bridge("br0", 0, false);
  host.set_master(lan0()->index, host.link("br0").index);
  host.set_down(lan0()->index);
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "203.0.113.0/24", "gw": "203.0.113.1"}])");
  failed_add();
  EXPECT_FALSE(lan0()->is_up());
  EXPECT_EQ(lan0()->master, host.link("br0").index);
}

TEST_F(HostDeviceTest, AnInterruptedAddIsUndone) {
  const auto before = everything();
  use_ipam_that_interrupts();
  const auto object = error("ADD", {{"CNI_PATH", scratch() + "/plugins"}});
  EXPECT_EQ(object["code"], 11);
  EXPECT_EQ(everything(), before);
}

TEST_F(HostDeviceTest, AnInterfaceThatIsInTheWayIsLeftAlone) {
  inside().create_bridge("eth0", 0, false);
  must_run({"ip", "-n", "box", "link", "set", "eth0", "alias", "somebody's"});
  const auto object = failed_add();
  EXPECT_EQ(object["code"], 4);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("CNI_IFNAME=eth0 already exists in /run/netns/box"));
  const auto before = everything();
  expect_ok("DEL");
  EXPECT_EQ(everything(), before);
}

TEST_F(HostDeviceTest, MistakesInTheConfigurationAreNamedAndChangeNothing) {
  struct Case {
    const char* keys;
    const char* message;
  };
  const Case cases[] = {
      {R"({"device": ""})", R"(specify either "device", "hwaddr", "kernelpath" or "pciBusID")"},
      {R"({"device": "lan9"})", "device \"lan9\" has no interface in the host's namespace"},
      {R"({"device": "a/b"})", "invalid device \"a/b\""},
      {R"({"device": 7})", "device"},
      {R"({"device": null, "hwaddr": "02:00"})", "invalid hwaddr \"02:00\""},
      {R"({"device": null, "hwaddr": "02:00:00:00:00:99"})", "hwaddr \"02:00:00:00:00:99\" has no interface"},
      {R"({"device": null, "kernelpath": "/sys/class/net/lan0"})", "invalid kernelpath: \"/sys/class/net/lan0\""},
      {R"({"device": null, "kernelpath": "/sys/devices/../../etc"})", "invalid kernelpath"},
      {R"({"device": null, "kernelpath": "/sys/devices/nowhere"})", "kernelpath \"/sys/devices/nowhere\" has no"},
      {R"({"device": null, "pciBusID": "ffff:ff:1f.7"})", "PCI device \"ffff:ff:1f.7\" has no interface"},
      {R"({"device": null, "pciBusID": "../.."})", "invalid pciBusID: \"../..\""},
      {R"({"device": null, "runtimeConfig": {"deviceID": "ffff:ff:1f.7"}})", "runtimeConfig.deviceID \"ffff:ff:1f.7\""},
      {R"({"device": null, "runtimeConfig": {"deviceID": ".."}})", "invalid runtimeConfig.deviceID: \"..\""},
      {R"({"ipam": {"type": "no-such-ipam"}})", "no-such-ipam"},
  };
  const auto plain = config_;
  for (const auto& wrong : cases) {
    SCOPED_TRACE(wrong.keys);
    config_ = plain;
    config_.update(Json::parse(wrong.keys));
    const auto object = failed_add();
    EXPECT_EQ(object["code"], kConfigError) << object;
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(wrong.message));
  }
}

TEST_F(HostDeviceTest, WhatCannotBeMovedIsAnErrorOfTheKernel) {
  use_layer_2();
  config_["device"] = "lo";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("move link #1 to /run/netns/box as eth0"));
  EXPECT_THAT(call("ADD").error, Not(HasSubstr("undo failed"))) << "there is nothing to undo";
}

TEST_F(HostDeviceTest, EveryVersionOfTheResultCanBeHad) {
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    config_["cniVersion"] = version;
    config_["ipam"]["dataDir"] = scratch() + "/" + version;
    config_.erase("prevResult");
    const auto result = add();
    EXPECT_EQ(result["cniVersion"], version);
    EXPECT_EQ(result.contains("ip4") ? result["ip4"]["ip"] : result["ips"][0]["address"], "10.1.0.2/24") << version;
    config_.erase("prevResult");
    expect_ok("DEL");
    EXPECT_TRUE(lan0()) << version;
  }
  use_layer_2();
  config_["cniVersion"] = "0.2.0";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("cannot convert: no valid IP addresses"));
}

TEST_F(HostDeviceTest, DelAlwaysReleasesTheAddress) {
  add();
  EXPECT_THAT(leases(), ElementsAre("10.1.0.2"));
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_THAT(leases(), IsEmpty());
  expect_ok("DEL");
  EXPECT_TRUE(lan0());

  add();
  box_->remove();
  expect_ok("DEL");
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_F(HostDeviceTest, DelIsRepeatableAndNeedsNoPreviousResult) {
  add();
  config_.erase("prevResult");
  expect_ok("DEL");
  EXPECT_TRUE(lan0());
  expect_ok("DEL");
  expect_ok("DEL", {{"CNI_NETNS", "/run/netns/gone"}});
  config_["device"] = 7;
  config_["pciBusID"] = "../..";
  expect_ok("DEL");
}

TEST_F(HostDeviceTest, DelFindsTheNameInTheConfigurationIfTheAliasIsGone) {
  add();
  must_run({"ip", "-n", "box", "link", "set", "eth0", "alias", ""});
  expect_ok("DEL");
  EXPECT_TRUE(lan0());
}

TEST_F(HostDeviceTest, DelReportsADeviceWhoseNameNobodyKnows) {
  config_.erase("device");
  config_["hwaddr"] = lan0()->mac.to_string();
  add();
  must_run({"ip", "-n", "box", "link", "set", "eth0", "alias", ""});
  EXPECT_THAT(message("DEL"), HasSubstr("failed to find original ifname for \"eth0\" (alias is not set)"));
  EXPECT_THAT(leases(), IsEmpty()) << "all the same";
}

TEST_F(HostDeviceTest, DelReportsANameThatIsTakenAndTriesAgainNextTime) {
  add();
  auto host = Netlink::here();
  host.create_bridge("lan0", 0, false);
  EXPECT_THAT(message("DEL"), HasSubstr("cannot give back eth0 as lan0"));
  EXPECT_THAT(leases(), IsEmpty());
  EXPECT_TRUE(has_eth0());
  host.delete_link("lan0");
  expect_ok("DEL");
  EXPECT_EQ(lan0()->kind, "veth");
}

TEST_F(HostDeviceTest, CheckNoticesWhatIsNotAsItWasMade) {
  add();
  expect_ok("CHECK");
  must_run({"ip", "-n", "box", "address", "del", "10.1.0.2/24", "dev", "eth0"});
  EXPECT_THAT(message("CHECK"), HasSubstr("10.1.0.2/24"));
  must_run({"ip", "-n", "box", "link", "set", "eth0", "address", "02:00:00:00:00:99"});
  EXPECT_THAT(message("CHECK"), HasSubstr("02:00:00:00:00:99"));
  must_run({"ip", "-n", "box", "link", "set", "eth0", "down"});
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 is down"));
  inside().delete_link("eth0");
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 does not exist"));
  config_.erase("prevResult");
  EXPECT_EQ(error("CHECK")["code"], kConfigError);
}

TEST_F(HostDeviceTest, CheckNoticesAnotherDevice) {
  use_layer_2();
  add();
  config_["device"] = "lan1";
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 is not device lan1"));
}

TEST_F(HostDeviceTest, GarbageCollectionAndStatusAreIpams) {
  add();
  config_.erase("prevResult");
  config_["cni.dev/valid-attachments"] = Json::array();
  expect_ok("GC");
  EXPECT_THAT(leases(), IsEmpty());
  expect_ok("STATUS");
  config_.erase("device");
  expect_ok("STATUS");
}

}  // namespace
}  // namespace berth::test
