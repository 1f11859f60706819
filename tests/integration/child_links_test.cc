// What macvlan, ipvlan, vlan and dummy have in common: all or nothing, DEL of whatever is left, CHECK, GC, STATUS,
// every version, and masters that are not there.
#include <gmock/gmock.h>

#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::Netlink;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kEnvironmentError = 4;
constexpr int kConfigError = 7;
constexpr int kNamespaceError = 8;
constexpr int kTryAgainLater = 11;
constexpr int kNotAvailable = 50;

class ChildLinksTest : public PluginTest, public ::testing::WithParamInterface<const char*> {
 protected:
  ChildLinksTest() : PluginTest(GetParam()) {}

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    if (!kernel_has(plugin_)) GTEST_SKIP() << lacks(plugin_);
    lan_ = std::make_unique<Lan>();
    if (has_master()) config_["master"] = "lan0";
    if (plugin_ == "vlan") config_["vlanId"] = 7;
  }

  bool has_master() const { return plugin_ != "dummy"; }

  /// The configuration of a second attachment: a VLAN's interface is the only one.
  void use_the_next_vlan() {
    config_.erase("prevResult");
    if (plugin_ == "vlan") config_["vlanId"] = config_["vlanId"].get<int>() + 1;
  }

  std::unique_ptr<Lan> lan_;
};

INSTANTIATE_TEST_SUITE_P(Plugins, ChildLinksTest, ::testing::Values("macvlan", "ipvlan", "vlan", "dummy"),
                         [](const auto& param) { return std::string(param.param); });

/// Those that are made on another interface.
class MasterTest : public ChildLinksTest {};
INSTANTIATE_TEST_SUITE_P(Plugins, MasterTest, ::testing::Values("macvlan", "ipvlan", "vlan"),
                         [](const auto& param) { return std::string(param.param); });

/// Those that need not be told which.
class DefaultRouteTest : public ChildLinksTest {};
INSTANTIATE_TEST_SUITE_P(Plugins, DefaultRouteTest, ::testing::Values("macvlan", "ipvlan"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(ChildLinksTest, AddMakesOneInterfaceAndDelLeavesNothing) {
  const auto before = everything();
  add();
  EXPECT_EQ(eth0().kind, plugin_);
  EXPECT_TRUE(eth0().is_up());
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.2/24"));
  EXPECT_EQ(inside().route_device(net::IpAddress::parse("192.0.2.1")), "eth0");
  EXPECT_EQ(host_state().find("link eth0"), std::string::npos) << "it never was on the host";
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_EQ(everything(), before);
  expect_ok("DEL");
}

TEST_P(ChildLinksTest, ResultsHaveTheShapeOfEveryVersion) {
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    SCOPED_TRACE(version);
    config_.erase("prevResult");
    config_["cniVersion"] = version;
    const auto result = add();
    EXPECT_EQ(result["cniVersion"], version);
    if (std::string(version) < "0.3.0") {
      EXPECT_EQ(result["ip4"]["ip"].get<std::string>().substr(0, 7), "10.1.0.");
      EXPECT_TRUE(result["dns"].is_object());
    } else {
      EXPECT_EQ(result["interfaces"][0]["name"], "eth0");
      EXPECT_EQ(result["interfaces"][0].contains("mtu"), version == std::string("1.1.0"));
      EXPECT_EQ(result["ips"][0].contains("version"), std::string(version) < "1.0.0");
      EXPECT_EQ(result["routes"][0]["dst"], "0.0.0.0/0");
    }
    if (std::string(version) >= "0.4.0") expect_ok("CHECK");
    expect_ok("DEL");
    EXPECT_FALSE(has_eth0());
  }
  EXPECT_THAT(call("VERSION").output,
              HasSubstr(R"("supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"])"));
}

TEST_P(ChildLinksTest, AFailingIpamLeavesNoInterface) {
  config_["ipam"] = Json::parse(R"({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/31"}]]})");
  EXPECT_EQ(failed_add()["code"], kConfigError);
  config_["ipam"] = Json::parse(R"({"type": "no-such-ipam"})");
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("no-such-ipam"));
}

TEST_P(ChildLinksTest, ARouteTheKernelRefusesLeavesNeitherInterfaceNorLease) {
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "203.0.113.1"}])");
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("192.0.2.0/24"));
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_P(ChildLinksTest, AnInterruptedAddLeavesNeitherInterfaceNorLease) {
  // The signal comes while IPAM runs.
  const auto impatient =
      write("plugins/impatient",
            "#!/bin/sh\n[ \"$CNI_COMMAND\" != ADD ] || kill -TERM $PPID\nexec " + built("host-local") + "\n");
  must_run({"chmod", "+x", impatient});
  config_["ipam"]["type"] = "impatient";
  const auto object = failed_add({{"CNI_PATH", scratch() + "/plugins"}});
  EXPECT_EQ(object["code"], kTryAgainLater);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("interrupted by SIGTERM"));
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_P(ChildLinksTest, AnInterfaceNameThatIsTakenIsAnErrorAndItsOwnerStays) {
  must_run({"ip", "-n", "box", "link", "add", "eth0", "type", "bridge"});
  const auto object = failed_add();
  EXPECT_EQ(object["code"], kEnvironmentError);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("eth0"));
  expect_ok("DEL");
  EXPECT_EQ(eth0().kind, "bridge");
}

TEST_P(ChildLinksTest, ASecondAddOfTheSameInterfaceIsAnErrorAndTheFirstStays) {
  add();
  config_.erase("prevResult");
  use_the_next_vlan();
  EXPECT_EQ(error("ADD")["code"], kEnvironmentError);
  EXPECT_TRUE(has_eth0());
}

TEST_P(ChildLinksTest, AContainerMayBeAttachedTwice) {
  add();
  use_the_next_vlan();
  add(attachment("box", box_->path(), "eth1"));
  EXPECT_THAT(leases(), ElementsAre("10.1.0.2", "10.1.0.3"));
  expect_ok("DEL", attachment("box", box_->path(), "eth1"));
  EXPECT_TRUE(has_eth0());
  EXPECT_THAT(leases(), ElementsAre("10.1.0.2"));
}

TEST_P(ChildLinksTest, DelNeedsNoNamespaceNoPreviousResultAndNoMaster) {
  add();
  config_.erase("prevResult");
  config_.erase("master");
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_THAT(leases(), IsEmpty());
  expect_ok("DEL", {{"CNI_NETNS", "/run/netns/never-was"}});
  write("file", "");
  expect_ok("DEL", {{"CNI_NETNS", scratch() + "/file"}});
  EXPECT_TRUE(has_eth0()) << "nobody said where it is";
  expect_ok("DEL");
  EXPECT_FALSE(has_eth0());
}

TEST_P(MasterTest, DelWorksWhenTheMasterIsGone) {
  add();
  Netlink::here().delete_link("lan0");
  EXPECT_FALSE(has_eth0()) << "the kernel takes it away with its master";
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 does not exist"));
  expect_ok("DEL");
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_P(ChildLinksTest, DelWorksInANamespaceThatHasNoSuchInterface) {
  add();
  const NamedNetNs foreign("foreign");
  expect_ok("DEL", {{"CNI_NETNS", foreign.path()}});
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_P(ChildLinksTest, CheckFindsWhatIsMissing) {
  add();
  expect_ok("CHECK");
  const auto whole = config_;
  inside().set_down(eth0().index);
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 is down"));
  inside().set_up(eth0().index);
  EXPECT_THAT(message("CHECK"), HasSubstr("expected route 0.0.0.0/0 not found")) << "it went with the link";
  config_["prevResult"].erase("routes");
  expect_ok("CHECK");
  inside().delete_address(eth0().index, net::IpNet::parse("10.1.0.2/24"));
  EXPECT_THAT(message("CHECK"), HasSubstr("10.1.0.2/24"));
  inside().delete_link("eth0");
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 does not exist"));
  must_run({"ip", "-n", "box", "link", "add", "eth0", "type", "bridge"});
  EXPECT_THAT(message("CHECK"), HasSubstr("is not a " + plugin_));
  config_.erase("prevResult");
  EXPECT_THAT(message("CHECK"), HasSubstr("prevResult"));
}

TEST_P(ChildLinksTest, CheckFindsALeaseThatIsGone) {
  add();
  must_run({"rm", "/var/lib/cni/networks/net/10.1.0.2"});
  EXPECT_THAT(message("CHECK"), HasSubstr("host-local"));
}

TEST_P(ChildLinksTest, GarbageCollectionReleasesTheAddressesOfUnknownAttachments) {
  add();
  use_the_next_vlan();
  add(attachment("box", box_->path(), "eth1"));
  config_.erase("prevResult");
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "box", "ifname": "eth1"}])");
  expect_ok("GC");
  EXPECT_THAT(leases(), ElementsAre("10.1.0.3"));
}

TEST_P(ChildLinksTest, StatusIsIpamsAndTheMasters) {
  expect_ok("STATUS");
  if (has_master()) {
    config_["master"] = "lan9";
    const auto object = error("STATUS");
    EXPECT_EQ(object["code"], kNotAvailable);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("lan9"));
    config_["master"] = "lan0";
  }
  config_["ipam"]["ranges"] =
      Json::parse(R"([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.2", "rangeEnd": "10.1.0.2"}]])");
  add();
  EXPECT_EQ(error("STATUS")["code"], kNotAvailable) << "no address is left";
}

TEST_P(MasterTest, AMasterThatIsNotThereIsNamed) {
  config_["master"] = "lan9";
  auto object = failed_add();
  EXPECT_EQ(object["code"], kConfigError);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("lan9"));
  for (const char* name : {"a-name-of-more-than-15", "lan/0", ".."}) {
    config_["master"] = name;
    object = failed_add();
    EXPECT_EQ(object["code"], kConfigError);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(name));
  }
  config_["master"] = 1;
  EXPECT_EQ(failed_add()["code"], kConfigError);
}

TEST_P(DefaultRouteTest, TheDefaultRouteNamesTheMasterOfEitherFamily) {
  config_.erase("master");
  auto object = failed_add();
  EXPECT_EQ(object["code"], kConfigError);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("no default route interface found"));
  EXPECT_EQ(error("STATUS")["code"], kNotAvailable);
  must_run({"ip", "address", "add", "fd01::9/64", "dev", "lan0", "nodad"});
  must_run({"ip", "-6", "route", "add", "default", "via", "fd01::1"});
  expect_ok("STATUS");
  add();
  EXPECT_EQ(eth0().parent, lan_->master().index);
  expect_ok("CHECK");
  expect_ok("DEL");

  must_run({"ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1"});
  must_run({"ip", "address", "add", "10.2.0.1/24", "dev", "other0"});
  must_run({"ip", "link", "set", "other0", "up"});
  must_run({"ip", "route", "add", "default", "via", "10.2.0.2"});
  config_.erase("prevResult");
  add();
  EXPECT_EQ(eth0().parent, Netlink::here().link("other0").index) << "IPv4 comes first";
}

TEST_P(MasterTest, AnMtuThatCannotBeIsAnError) {
  const bool has_limit = plugin_ != "ipvlan";
  for (const auto& mtu : {Json(-1), Json("1500"), Json(1.5), Json(5'000'000'000)}) {
    SCOPED_TRACE(mtu.dump());
    config_["mtu"] = mtu;
    const auto object = failed_add();
    EXPECT_EQ(object["code"], kConfigError);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(mtu.dump()));
  }
  config_["mtu"] = 1501;
  if (has_limit) {
    EXPECT_EQ(failed_add()["msg"], "invalid MTU 1501, must be [0, master MTU(1500)]");
  } else {
    add();
    EXPECT_EQ(eth0().mtu, 1501U);
  }
}

TEST_P(ChildLinksTest, ANamespaceThatIsNoneIsAnErrorOfItsOwn) {
  write("file", "");
  EXPECT_EQ(failed_add({{"CNI_NETNS", scratch() + "/file"}})["code"], kNamespaceError);
  EXPECT_EQ(failed_add({{"CNI_NETNS", "/run/netns/gone"}})["code"], kNamespaceError);
}

TEST_P(ChildLinksTest, DnsOfTheConfigurationReplacesIpamsIfItSaysAnything) {
  config_["ipam"]["resolvConf"] = write("resolv.conf", "nameserver 192.0.2.53\n");
  config_["dns"] = Json::object();
  EXPECT_EQ(add()["dns"], Json::parse(R"({"nameservers": ["192.0.2.53"]})"));
  expect_ok("DEL");
  config_.erase("prevResult");
  config_["dns"] = Json::parse(R"({"nameservers": ["192.0.2.54"], "search": ["example.com"]})");
  EXPECT_EQ(add()["dns"], config_["dns"]);
  expect_ok("DEL");
  config_.erase("prevResult");
  config_["dns"] = "192.0.2.55";
  EXPECT_EQ(failed_add()["code"], kConfigError);
}

}  // namespace
}  // namespace berth::test
