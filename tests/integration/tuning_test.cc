// The tuning plugin, run as a runtime runs it on an interface that is there already; what it did is read back from the
// kernel and from its backup file.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using net::Netlink;
using ::testing::HasSubstr;

constexpr const char* kBackup = "/run/cni/tuning/box_eth0.json";
constexpr const char* kAllowList = "/etc/cni/tuning/allowlist.conf";

class TuningTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    box_ = std::make_unique<NamedNetNs>("box");
    give_interface("box", "eth0");
    config_ = Json::parse(R"({"cniVersion": "1.0.0", "name": "net", "type": "tuning", "prevResult": {
      "cniVersion": "1.0.0",
      "interfaces": [{"name": "host0", "mac": "02:00:00:00:00:01"},
                     {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/box"}],
      "ips": [{"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"}], "routes": [{"dst": "0.0.0.0/0"}]}})");
  }

  static void give_interface(const std::string& netns, const std::string& name) {
    must_run({"ip", "link", "add", "host0", "type", "veth", "peer", "name", name, "address", "02:00:00:00:00:02",
              "netns", netns});
    must_run({"ip", "link", "set", "host0", "up"});
    must_run({"ip", "-n", netns, "address", "add", "10.1.0.2/24", "dev", name});
    must_run({"ip", "-n", netns, "link", "set", name, "up"});
    must_run({"ip", "-n", netns, "route", "add", "default", "via", "10.1.0.1"});
  }

  base::CommandResult call(const std::string& command, const std::string& args = "", const std::string& id = "box",
                           const std::string& ifname = "eth0", const std::string& plugin = built("tuning")) const {
    std::map<std::string, std::string> env{{"CNI_COMMAND", command}};
    if (command != "GC" && command != "STATUS") {
      env["CNI_CONTAINERID"] = id;
      env["CNI_NETNS"] = "/run/netns/box";
      env["CNI_IFNAME"] = ifname;
    }
    if (!args.empty()) env["CNI_ARGS"] = args;
    return run_plugin(plugin, env, config_.dump());
  }
  base::CommandResult by_reference(const std::string& command) const {
    return call(command, "", "box", "eth0", reference_plugins() + "/tuning");
  }

  Json add(const std::string& args = "") const {
    const auto result = call("ADD", args);
    EXPECT_TRUE(result.ok()) << result.output << result.error;
    return result.ok() ? Json::parse(result.output) : Json::object();
  }

  void expect_ok(const std::string& command) const {
    const auto result = call(command);
    EXPECT_TRUE(result.ok()) << command << ": " << result.output << result.error;
    EXPECT_EQ("", result.output);
  }

  Json error(const std::string& command, const std::string& args = "") const { return error_of(call(command, args)); }
  static Json error_of(const base::CommandResult& result) {
    EXPECT_EQ(1, result.exit_status.value_or(-1)) << result.output << result.error;
    return result.ok() ? Json{{"code", 0}, {"msg", ""}} : Json::parse(result.output);
  }

  /// ADD must fail with this code and text, and change nothing at all.
  void expect_refused(unsigned code, const std::string& text, const std::string& args = "") const {
    const auto before = everything();
    const auto failed = error("ADD", args);
    EXPECT_EQ(code, failed["code"].get<unsigned>()) << failed.dump();
    EXPECT_THAT(failed["msg"].get<std::string>() + failed.value("details", ""), HasSubstr(text));
    EXPECT_EQ(before, everything());
  }

  net::Link eth0() const { return Netlink::in(box_->open()).link("eth0"); }
  std::string sysctl(const std::string& name) const {
    return box_->open().within([&] { return net::sysctl::read(name); });
  }
  std::string everything() const {
    std::string text =
        host_state() + must_run({"ip", "-n", "box", "-d", "-o", "link"}) + must_run({"ip", "-n", "box", "-o", "route"});
    for (const char* name : {"net/core/somaxconn", "net/ipv4/conf/eth0/arp_filter", "net/ipv4/ip_local_port_range"}) {
      text += std::string(name) + "=" + sysctl(name) + "\n";
    }
    return text;
  }
  static Json backup() { return Json::parse(base::read_file(kBackup)); }
  static void allow(const std::string& patterns) {
    base::make_directories("/etc/cni/tuning", 0755);
    base::write_file_atomic(kAllowList, patterns, 0644);
  }

  std::unique_ptr<NamedNetNs> box_;
  Json config_;
};

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
  EXPECT_FALSE(std::filesystem::exists(kBackup));
}

TEST_F(TuningTest, TheBackupIsTheReferencesFileAndHoldsOnlyWhatIsChanged) {
  config_["mtu"] = 1400;
  add();
  auto saved = backup();
  EXPECT_EQ(1500, saved["mtu"]);
  EXPECT_EQ("net", saved["network"]);
  for (const char* key : {"mac", "promisc", "allmulti", "txQLen"}) EXPECT_FALSE(saved.contains(key)) << key;
  EXPECT_EQ(std::filesystem::perms(0600), std::filesystem::status(kBackup).permissions());
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
  EXPECT_FALSE(std::filesystem::exists(kBackup));
}

TEST_F(TuningTest, CheckNamesWhatIsNotAsItWasTuned) {
  config_.update(Json::parse(R"({"mac": "02:11:22:33:44:AA", "mtu": 1400, "promisc": true, "allmulti": true,
                                 "txQLen": 123, "sysctl": {"net.core.somaxconn": "600"}})"));
  add();
  const auto expect = [&](const std::vector<std::string>& damage, const std::vector<std::string>& repair,
                          const std::string& text) {
    expect_ok("CHECK");
    must_run(damage);
    EXPECT_THAT(error("CHECK")["msg"].get<std::string>(), HasSubstr(text));
    must_run(repair);
  };
  const auto set = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"ip", "-n", "box", "link", "set", "eth0"});
    return words;
  };
  expect(set({"address", "02:00:00:00:00:09"}), set({"address", "02:11:22:33:44:aa"}), "02:00:00:00:00:09");
  expect(set({"mtu", "1300"}), set({"mtu", "1400"}), "MTU of eth0 is 1300 instead of 1400");
  expect(set({"promisc", "off"}), set({"promisc", "on"}), "promiscuous mode of eth0 is off instead of on");
  expect(set({"allmulticast", "off"}), set({"allmulticast", "on"}), "all-multicast mode");
  expect(set({"txqueuelen", "7"}), set({"txqueuelen", "123"}), "queue length of eth0 is 7 instead of 123");
  box_->open().within([] { net::sysctl::write("net/core/somaxconn", "5"); });
  EXPECT_THAT(error("CHECK")["msg"].get<std::string>(), HasSubstr("net/core/somaxconn is 5 instead of 600"));
  config_.erase("sysctl");
  config_["promisc"] = false;
  EXPECT_THAT(error("CHECK")["msg"].get<std::string>(), HasSubstr("promiscuous mode of eth0 is on instead of off"));
  config_.erase("prevResult");
  EXPECT_EQ(7, error("CHECK")["code"]);
}

TEST_F(TuningTest, DelSucceedsWhateverIsGone) {
  expect_ok("DEL");
  config_["mtu"] = 1400;
  add();
  config_.erase("prevResult");
  expect_ok("DEL");
  expect_ok("DEL");
  config_["mtu"] = "nonsense";
  expect_ok("DEL");
}

TEST_F(TuningTest, DelRemovesTheBackupOfAVanishedInterfaceOrNamespace) {
  config_["mtu"] = 1400;
  add();
  must_run({"ip", "-n", "box", "link", "delete", "eth0"});
  expect_ok("DEL");
  EXPECT_FALSE(std::filesystem::exists(kBackup));

  give_interface("box", "eth0");
  add();
  box_->remove();
  expect_ok("DEL");
  EXPECT_FALSE(std::filesystem::exists(kBackup));
}

TEST_F(TuningTest, DelRemovesABackupThatIsUnreadable) {
  base::make_directories("/run/cni/tuning", 0700);
  base::write_file_atomic(kBackup, "{\"mtu\":", 0600);
  expect_ok("DEL");
  EXPECT_FALSE(std::filesystem::exists(kBackup));
}

TEST_F(TuningTest, TuningTwiceInOneListRestoresWhatWasThereFirst) {
  const auto before = everything();
  config_["mtu"] = 1400;
  add();
  config_["mtu"] = 1300;
  config_["mac"] = "02:11:22:33:44:55";
  add();
  const auto between = everything();
  config_["mtu"] = 20;
  error("ADD");
  EXPECT_EQ(between, everything());
  expect_ok("DEL");
  expect_ok("DEL");
  EXPECT_EQ(before, everything());
}

TEST_F(TuningTest, ABackupOfAnEarlierContainerWithTheSameIdIsNotRestored) {
  config_["mtu"] = 1400;
  add();
  auto stale = backup();
  stale["mtu"] = 1234;
  stale["mac"] = "02:de:ad:00:00:01";
  stale["netns"] = "1:1";
  base::write_file_atomic(kBackup, stale.dump(), 0600);
  config_["mtu"] = 1300;
  add();
  expect_ok("DEL");
  EXPECT_EQ(1400U, eth0().mtu);
  EXPECT_EQ("02:00:00:00:00:02", eth0().mac.to_string());
}

TEST_F(TuningTest, GcRemovesBackupsThatAreNotValidAndNothingElse) {
  config_["cniVersion"] = config_["prevResult"]["cniVersion"] = "1.1.0";
  config_["mtu"] = 1400;
  for (const char* id : {"stale", "valid"}) ASSERT_TRUE(call("ADD", "", id).ok());
  config_["name"] = "other";
  ASSERT_TRUE(call("ADD", "", "foreign").ok());
  config_["name"] = "net";
  base::write_file_atomic("/run/cni/tuning/reference_eth0.json", R"({"mtu": 1500})", 0600);
  const auto exists = [](const std::string& id) {
    return std::filesystem::exists("/run/cni/tuning/" + id + "_eth0.json");
  };
  expect_ok("GC");  // without a list nothing is known to be stale
  EXPECT_TRUE(exists("stale"));
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "valid", "ifname": "eth0"}])");
  expect_ok("GC");
  expect_ok("GC");
  EXPECT_FALSE(exists("stale"));
  for (const char* id : {"valid", "foreign", "reference"}) EXPECT_TRUE(exists(id)) << id;
}

TEST_F(TuningTest, StatusTellsWhetherBackupsCanBeKept) {
  config_["cniVersion"] = "1.1.0";
  config_["sysctl"] = {{"net.ipv4.conf.IFNAME.arp_filter", "1"}};
  expect_ok("STATUS");
  EXPECT_FALSE(std::filesystem::exists("/run/cni"));
  write("file", "");
  config_["dataDir"] = scratch() + "/file/data";
  EXPECT_EQ(50, error("STATUS")["code"]);
  config_["mtu"] = "x";
  EXPECT_EQ(7, error("STATUS")["code"]);
}

TEST_F(TuningTest, EachSuiteChecksAndDeletesWhatTheOtherAdded) {
  if (reference_plugins().empty()) GTEST_SKIP() << "needs the package containernetworking-plugins";
  config_.update(Json::parse(R"({"mac": "02:11:22:33:44:55", "mtu": 1400, "promisc": true, "allmulti": true,
                                 "sysctl": {"net.core.somaxconn": "600"}})"));
  const auto original = eth0();
  const auto expect_restored = [&] {
    const auto link = eth0();
    EXPECT_EQ(original.mac, link.mac);
    EXPECT_EQ(original.mtu, link.mtu);
    EXPECT_EQ(original.flags, link.flags);
    EXPECT_FALSE(std::filesystem::exists(kBackup));
  };
  const auto mine = add();
  EXPECT_TRUE(by_reference("CHECK").ok());
  EXPECT_TRUE(by_reference("DEL").ok());
  expect_restored();

  const auto theirs = by_reference("ADD");
  ASSERT_TRUE(theirs.ok()) << theirs.output;
  auto comparable = nlohmann::json::parse(theirs.output);
  if (comparable["dns"].empty()) comparable.erase("dns");  // releases before 1.2 print it empty
  EXPECT_EQ(comparable, nlohmann::json::parse(mine.dump()));
  expect_ok("CHECK");
  expect_ok("DEL");
  expect_restored();
}

}  // namespace
}  // namespace berth::test
