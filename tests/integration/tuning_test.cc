// What ADD of the tuning plugin changes, and what it refuses; read back from the kernel and from its backup file.
#include <gmock/gmock.h>

#include <filesystem>

#include "support/programs.h"
#include "support/tuning.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;

TEST_F(TuningTest, EverySettingIsChangedAndRestored) {
  config_.update(
      Json::parse(R"({"mac": "02:11:22:33:44:AA", "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 123})"));
  const auto before = everything();
  const auto result = add();
  auto link = eth0();
  EXPECT_EQ("02:11:22:33:44:aa", link.mac.to_string());
  EXPECT_EQ(1400U, link.mtu);
  EXPECT_TRUE(link.is_promiscuous());
  EXPECT_TRUE(link.is_all_multicast());
  EXPECT_EQ(123U, link.tx_queue_length);
  EXPECT_TRUE(link.is_up());
  EXPECT_EQ("02:11:22:33:44:aa", result["interfaces"][1]["mac"]);
  EXPECT_EQ("02:00:00:00:00:01", result["interfaces"][0]["mac"]);
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_EQ(before, everything());
  EXPECT_FALSE(std::filesystem::exists(kTuningBackup));
}

TEST_F(TuningTest, TheBackupIsTheReferencesFileAndHoldsOnlyWhatIsChanged) {
  config_["mtu"] = 1400;
  add();
  auto saved = backup();
  EXPECT_EQ(1500, saved["mtu"]);
  EXPECT_EQ("net", saved["network"]);
  for (const char* key : {"mac", "promisc", "allmulti", "txQLen"}) EXPECT_FALSE(saved.contains(key)) << key;
  EXPECT_EQ(std::filesystem::perms(0600), std::filesystem::status(kTuningBackup).permissions());
}

TEST_F(TuningTest, WithoutSettingsTheResultPassesThroughAndNothingIsKept) {
  auto expected = config_["prevResult"];
  EXPECT_EQ(nlohmann::json::parse(expected.dump()), nlohmann::json::parse(add().dump()));
  EXPECT_FALSE(std::filesystem::exists("/run/cni"));
}

TEST_F(TuningTest, EveryResultVersionIsPassedOn) {
  config_["mac"] = "02:11:22:33:44:55";
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    config_["cniVersion"] = version;
    config_["prevResult"]["cniVersion"] = version;
    EXPECT_EQ("02:11:22:33:44:55", add()["interfaces"][1]["mac"]) << version;
  }
  for (const char* version : {"0.1.0", "0.2.0"}) {
    config_["cniVersion"] = version;
    EXPECT_EQ("10.1.0.2/24", add()["ip4"]["ip"]) << version;
  }
}

TEST_F(TuningTest, AnMtuInTheResultIsTheNewOne) {
  config_["cniVersion"] = config_["prevResult"]["cniVersion"] = "1.1.0";
  config_["prevResult"]["interfaces"][1]["mtu"] = 1500;
  config_["mtu"] = 1400;
  EXPECT_EQ(1400, add()["interfaces"][1]["mtu"]);
}

TEST_F(TuningTest, SysctlsAreSetInTheContainerWithTheInterfacesName) {
  config_["sysctl"] = Json::parse(R"({"net.core.somaxconn": "511", "net.ipv4.conf.IFNAME.arp_filter": "1",
                                      "net/ipv4/ip_local_port_range": "20000 30000"})");
  const auto hosts = net::sysctl::read("net/core/somaxconn");
  add();
  EXPECT_EQ("511", sysctl("net/core/somaxconn"));
  EXPECT_EQ("1", sysctl("net/ipv4/conf/eth0/arp_filter"));
  EXPECT_EQ("20000\t30000", sysctl("net/ipv4/ip_local_port_range"));
  EXPECT_EQ(hosts, net::sysctl::read("net/core/somaxconn"));
  expect_ok("CHECK");
}

TEST_F(TuningTest, AnInterfaceNameWithDotsStaysInOnePiece) {
  must_run({"ip", "-n", "box", "link", "set", "eth0", "down"});
  must_run({"ip", "-n", "box", "link", "set", "eth0", "name", "eth0.10"});
  config_["sysctl"]["net.ipv4.conf.IFNAME.arp_filter"] = "1";
  const auto added = call("ADD", "", "box", "eth0.10");
  ASSERT_TRUE(added.ok()) << added.output;
  EXPECT_EQ("1", sysctl("net/ipv4/conf/eth0.10/arp_filter"));
}

TEST_F(TuningTest, OnlySysctlsOfTheNetworkCanBeSet) {
  for (const char* key : {"kernel.hostname", "net", "kernel/net/x", "net/../kernel/hostname",
                          "net/ipv4/../../kernel/hostname", "net/ipv4/conf/../ip_forward", "/etc/passwd", ""}) {
    config_["sysctl"] = {{key, "1"}};
    expect_refused(7, std::string("invalid net sysctl key: \"") + key + "\"");
  }
}

TEST_F(TuningTest, SysctlsThatAreNamedTwiceAreRefused) {
  const std::string marker = "\"MARK\"";
  const auto expect = [&](const std::string& sysctls) {
    auto text = config_.dump();
    text.replace(text.find(marker), marker.size(), sysctls);
    const auto before = everything();
    const auto failed = error_of(run_plugin(
        built("tuning"),
        {{"CNI_COMMAND", "ADD"}, {"CNI_CONTAINERID", "box"}, {"CNI_NETNS", "/run/netns/box"}, {"CNI_IFNAME", "eth0"}},
        text));
    EXPECT_EQ(7, failed["code"]);
    EXPECT_THAT(failed["msg"].get<std::string>(), HasSubstr("duplicated sysctl keys are not allowed: \"net"));
    EXPECT_EQ(before, everything());
  };
  config_["sysctl"] = "MARK";
  expect(R"({"net.core.somaxconn": "500", "net.core.somaxconn": "501"})");
  expect(R"({"net.core.somaxconn": "500", "net/core/somaxconn": "501"})");
  config_.erase("sysctl");
  config_["ARGS"]["cni"]["sysctl"] = "MARK";
  expect(R"({"net.core.somaxconn": "500", "net.core.somaxconn": "500"})");
}

TEST_F(TuningTest, TheAllowListDecidesWhichSysctlsMayBeSet) {
  config_["sysctl"] = {{"net.ipv4.conf.IFNAME.arp_filter", "1"}};
  allow("\n  ^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$  \n\nsomaxconn\n");
  add();
  config_["sysctl"] = {{"net.core.somaxconn", "512"}};
  add();
  config_["sysctl"] = {{"net.core.somaxconn", "513"}, {"net.ipv4.ip_forward", "1"}};
  expect_refused(7,
                 "Sysctl net.ipv4.ip_forward is not allowed. Only the following sysctls are allowed: "
                 "[^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$ somaxconn]");
  allow("");
  expect_refused(7, "is not allowed. Only the following sysctls are allowed: []");
}

TEST_F(TuningTest, AnAllowListThatIsNoneIsAnErrorThatNamesTheLine) {
  config_["sysctl"] = {{"net.core.somaxconn", "513"}};
  allow("net.core\nnet.(ipv4\n");
  expect_refused(999, "/etc/cni/tuning/allowlist.conf: invalid regular expression \"net.(ipv4\"");
  config_["cniVersion"] = "1.1.0";
  EXPECT_EQ(50, error("STATUS")["code"]);
}

TEST_F(TuningTest, OfSeveralHardwareAddressesTheStrongestCounts) {
  const auto mac = [&](const std::string& args = "") { return add(args)["interfaces"][1]["mac"].get<std::string>(); };
  config_["mac"] = "02:00:00:00:01:01";
  EXPECT_EQ("02:00:00:00:01:01", mac());
  EXPECT_EQ("02:00:00:00:01:02", mac("MAC=02:00:00:00:01:02"));
  config_["runtimeConfig"]["mac"] = "02:00:00:00:01:03";
  EXPECT_EQ("02:00:00:00:01:03", mac("MAC=02:00:00:00:01:02"));
  config_["args"]["cni"]["mac"] = "02:00:00:00:01:04";
  EXPECT_EQ("02:00:00:00:01:04", mac("IgnoreUnknown=1;K=V;MAC=02:00:00:00:01:02"));
  EXPECT_EQ("02:00:00:00:01:04", eth0().mac.to_string());
}

TEST_F(TuningTest, ArgsOfTheConfigurationAreTheStrongest) {
  config_.update(Json::parse(R"({"mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 10,
    "sysctl": {"net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.arp_filter": "1"},
    "args": {"cni": {"mtu": 1300, "promisc": false, "allmulti": false, "txQLen": 20,
                     "sysctl": {"net/core/somaxconn": "600"}}}})"));
  add();
  const auto link = eth0();
  EXPECT_EQ(1300U, link.mtu);
  EXPECT_FALSE(link.is_promiscuous());
  EXPECT_FALSE(link.is_all_multicast());
  EXPECT_EQ(20U, link.tx_queue_length);
  EXPECT_EQ("600", sysctl("net/core/somaxconn"));
  EXPECT_EQ("1", sysctl("net/ipv4/conf/eth0/arp_filter"));
}

TEST_F(TuningTest, SysctlsInArgsNeedNoneInTheConfiguration) {
  config_["args"]["cni"]["sysctl"] = {{"net.core.somaxconn", "600"}};
  add();
  EXPECT_EQ("600", sysctl("net/core/somaxconn"));
}

TEST_F(TuningTest, BadValuesAreNamedAndChangeNothing) {
  const Json good = config_;
  const auto expect = [&](const char* more, unsigned code, const std::string& text, const std::string& args = "") {
    config_ = good;
    config_.update(Json::parse(more));
    config_["sysctl"]["net.core.somaxconn"] = "777";
    expect_refused(code, text, args);
  };
  expect(R"({"mac": "02:11"})", 7, "invalid MAC address \"02:11\" in mac");
  expect(R"({"mac": "03:11:22:33:44:55"})", 7, "03:11:22:33:44:55");
  expect(R"({"runtimeConfig": {"mac": "x"}})", 7, "runtimeConfig.mac");
  expect(R"({"args": {"cni": {"mac": "x"}}})", 7, "args.cni.mac");
  expect("{}", 4, "CNI_ARGS MAC", "MAC=x");
  expect("{}", 4, "unknown args [\"IP=1\"]", "IP=1");
  expect(R"({"mtu": "1400"})", 7, "mtu");
  expect(R"({"mtu": -1})", 7, "mtu");
  expect(R"({"promisc": "yes"})", 7, "promisc");
  expect(R"({"allmulti": 1})", 7, "allmulti");
  expect(R"({"txQLen": -5})", 7, "txQLen");
  expect(R"({"args": {"cni": {"sysctl": {"net.core.somaxconn": 5}}}})", 7, "args.cni.sysctl.net.core.somaxconn");
  config_ = good;
  config_.erase("prevResult");
  config_["mtu"] = 1400;
  expect_refused(7, "required prevResult missing");
}

TEST_F(TuningTest, AFailingAddPutsEverythingBackSysctlsIncluded) {
  // The kernel refuses the last of them; by then all others have been changed.
  config_.update(Json::parse(R"({"mac": "02:11:22:33:44:55", "promisc": true, "mtu": 20,
    "sysctl": {"net.core.somaxconn": "600", "net.ipv4.conf.IFNAME.arp_filter": "1",
               "net.ipv4.ip_local_port_range": "20000 30000"}})"));
  expect_refused(999, "20");
  config_.erase("mtu");
  config_["sysctl"]["net.ipv4.no_such_setting"] = "1";
  expect_refused(999, "no_such_setting");
}

TEST_F(TuningTest, AFailingAddWithoutRoomForItsBackupPutsSysctlsBack) {
  write("file", "");
  config_["dataDir"] = scratch() + "/file";
  config_["mtu"] = 1400;
  config_["sysctl"] = {{"net.core.somaxconn", "600"}};
  expect_refused(999, scratch() + "/file");
}

TEST_F(TuningTest, AMissingInterfaceIsAnError) {
  must_run({"ip", "-n", "box", "link", "delete", "eth0"});
  config_["mtu"] = 1400;
  const auto failed = error("ADD");
  EXPECT_THAT(failed["msg"].get<std::string>(), HasSubstr("eth0"));
  EXPECT_FALSE(std::filesystem::exists(kTuningBackup));
}

}  // namespace
}  // namespace berth::test
