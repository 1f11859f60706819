// After the tuning plugin's ADD: CHECK, and what DEL and GC put back, with the reference plugin as well.
#include <gmock/gmock.h>

#include <filesystem>

#include "support/programs.h"
#include "support/tuning.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;

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
  EXPECT_FALSE(std::filesystem::exists(kTuningBackup));

  give_interface("box", "eth0");
  add();
  box_->remove();
  expect_ok("DEL");
  EXPECT_FALSE(std::filesystem::exists(kTuningBackup));
}

TEST_F(TuningTest, DelRemovesABackupThatIsUnreadable) {
  base::make_directories("/run/cni/tuning", 0700);
  base::write_file_atomic(kTuningBackup, "{\"mtu\":", 0600);
  expect_ok("DEL");
  EXPECT_FALSE(std::filesystem::exists(kTuningBackup));
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
  base::write_file_atomic(kTuningBackup, stale.dump(), 0600);
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
    EXPECT_FALSE(std::filesystem::exists(kTuningBackup));
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
