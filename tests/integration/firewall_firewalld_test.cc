// The firewall plugin on the firewalld backend: a real dbus-daemon and a real firewalld in the test's namespaces.

#include <gmock/gmock.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "support/firewalled_host.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// A bus that starts no services by itself (polkitd would stay) and lets everybody do everything.
const char* const kBusConfig = R"(<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>)";

/// What is in no other zone is neither accepted nor forwarded.
const char* const kDefaultZone = R"(<?xml version="1.0" encoding="utf-8"?>
<zone target="DROP"><short>closed</short></zone>)";

class FirewalldTest : public FirewalledHost {
 protected:
  void SetUp() override {
    FirewalledHost::SetUp();
    if (IsSkipped()) return;
    for (const char* program : {"dbus-daemon", "firewalld", "firewall-cmd"}) {
      if (system_program(program).empty()) GTEST_SKIP() << program << " is not installed (scripts/install-deps --test)";
    }
    base::make_directories("/run/dbus", 0755);
    bus_ = std::make_unique<Background>(std::vector<std::string>{"dbus-daemon", "--nofork", "--nopidfile",
                                                                 "--config-file=" + write("bus.conf", kBusConfig)});
    ASSERT_TRUE(eventually([] { return ::access("/run/dbus/system_bus_socket", F_OK) == 0; }));
    write("firewalld/firewalld.conf", "DefaultZone=closed\nFirewallBackend=nftables\nIPv6_rpfilter=no\n");
    write("firewalld/zones/closed.xml", kDefaultZone);
    firewalld_ = std::make_unique<Background>(std::vector<std::string>{"firewalld", "--nofork", "--nopid", "--log-file",
                                                                       scratch() + "/firewalld.log", "--system-config",
                                                                       scratch() + "/firewalld"});
    if (!eventually([] { return run({"firewall-cmd", "--state"}).ok(); })) {
      GTEST_SKIP() << "firewalld does not come up here: " << run({"cat", scratch() + "/firewalld.log"}).output;
    }
  }

  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 300; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }

  static Json config(const std::string& more = "{}", int host = 2) {
    return firewall_config("firewalld", more, host, "br0");
  }
  static Json bare() { return Json::parse(R"({"cniVersion": "1.1.0", "name": "n1", "type": "firewall"})"); }

  static std::string sources(const std::string& zone = "trusted") {
    return must_run({"firewall-cmd", "--zone=" + zone, "--list-sources"});
  }
  static bool has_record() { return ::access("/run/berth-firewall/firewalld.json", F_OK) == 0; }

  std::unique_ptr<Background> bus_;
  std::unique_ptr<Background> firewalld_;
};

TEST_F(FirewalldTest, AnAdmittedContainerReachesTheWorldAsASourceOfTheTrustedZone) {
  const auto c = container("c", "br0", 2);
  const auto world = outside();
  const auto server = web_server(*world, "world");
  EXPECT_FALSE(reaches(*c, kWorldV4)) << "firewalld drops what is in no zone";
  EXPECT_FALSE(firewall("CHECK", config()).ok());

  for (int time = 0; time < 2; ++time) {  // ZONE_ALREADY_SET is no error
    const auto added = firewall("ADD", config());
    ASSERT_TRUE(added.ok()) << added.output;
  }
  EXPECT_THAT(sources(), AllOf(HasSubstr("10.9.0.2/32"), HasSubstr("fd00:9::2/128")));
  EXPECT_TRUE(reaches(*c, kWorldV4));
  EXPECT_TRUE(reaches(*c, kWorldV6));
  EXPECT_TRUE(firewall("CHECK", config()).ok());
  Json status = config();
  status.erase("prevResult");
  EXPECT_TRUE(firewall("STATUS", status).ok());

  for (int time = 0; time < 2; ++time) {
    const auto deleted = firewall("DEL", bare());
    EXPECT_TRUE(deleted.ok()) << deleted.output;
    EXPECT_EQ("\n", sources());
    EXPECT_FALSE(has_record());
  }
  EXPECT_FALSE(reaches(*c, kWorldV4));
}

TEST_F(FirewalldTest, FailuresNameTheReasonAndChangeNothing) {
  const auto unknown = firewall("ADD", config(R"({"firewalldZone": "nowhere"})"));
  EXPECT_EQ(999, Json::parse(unknown.output)["code"]);
  EXPECT_THAT(unknown.output, AllOf(HasSubstr("INVALID_ZONE"), HasSubstr("nowhere")));
  EXPECT_FALSE(has_record());

  // The IPv4 address succeeds before the IPv6 address fails.
  must_run({"firewall-cmd", "--zone=work", "--add-source=fd00:9::2/128"});
  const auto conflict = firewall("ADD", config(R"({"ingressPolicy": "same-bridge"})"));
  EXPECT_THAT(conflict.output, AllOf(HasSubstr("ZONE_CONFLICT"), HasSubstr("fd00:9::2")));
  EXPECT_EQ("\n", sources());
  EXPECT_THAT(sources("work"), HasSubstr("fd00:9::2"));
  EXPECT_FALSE(has_record());
  EXPECT_THAT(run({"iptables-legacy-save"}).output, Not(HasSubstr("CNI-")));
}

TEST_F(FirewalldTest, AReloadForgetsSourcesAndDelStillSucceeds) {
  const Json conf = config(R"({"firewalldZone": "work"})");
  ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_THAT(sources("work"), HasSubstr("10.9.0.2/32"));
  must_run({"firewall-cmd", "--reload"});
  const auto checked = firewall("CHECK", conf);
  EXPECT_THAT(checked.output, AllOf(HasSubstr("zone work"), HasSubstr("10.9.0.2/32")));
  const auto deleted = firewall("DEL", conf);
  EXPECT_TRUE(deleted.ok()) << deleted.output;

  ASSERT_TRUE(firewall("ADD", conf).ok());
  firewalld_->end();
  EXPECT_TRUE(firewall("DEL", conf).ok()) << "nobody to ask";
  EXPECT_FALSE(has_record());
}

TEST_F(FirewalldTest, TheAutomaticChoiceIsFirewalldAndBridgesAreRestrictedByRules) {
  if (system_program("iptables-legacy").empty()) GTEST_SKIP() << "iptables-legacy is not installed";
  must_run({"iptables-legacy", "-P", "FORWARD", "ACCEPT"});  // now legacy tables are in use
  Json conf = config(R"({"ingressPolicy": "same-bridge"})");
  conf.erase("backend");
  const auto added = firewall("ADD", conf);
  ASSERT_TRUE(added.ok()) << added.output;
  EXPECT_THAT(sources(), HasSubstr("10.9.0.2/32"));
  EXPECT_THAT(must_run({"iptables-legacy-save", "-t", "filter"}),
              AllOf(HasSubstr("-i br0 ! -o br0"), Not(HasSubstr("CNI-FORWARD"))));
  EXPECT_TRUE(firewall("CHECK", conf).ok());
  must_run({"iptables-legacy", "-F", "CNI-ISOLATION-STAGE-1"});
  EXPECT_FALSE(firewall("CHECK", conf).ok());
  ASSERT_TRUE(firewall("ADD", conf).ok());
  ASSERT_TRUE(firewall("DEL", conf).ok());
  EXPECT_EQ("\n", sources());
  EXPECT_THAT(must_run({"iptables-legacy-save", "-t", "filter"}), Not(HasSubstr("CNI-")));
}

TEST_F(FirewalldTest, AnAddressStaysWithItsNextOwnerAndGarbageGoes) {
  ASSERT_TRUE(firewall("ADD", config(), "old").ok());
  ASSERT_TRUE(firewall("ADD", config(), "new").ok());
  ASSERT_TRUE(firewall("ADD", config("{}", 3), "gone").ok());
  ASSERT_TRUE(firewall("DEL", config(), "old").ok());
  EXPECT_THAT(sources(), AllOf(HasSubstr("10.9.0.2/32"), HasSubstr("10.9.0.3/32")));
  Json conf = bare();
  conf["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "new", "ifname": "eth0"}])");
  const auto collected = firewall("GC", conf);
  ASSERT_TRUE(collected.ok()) << collected.output;
  EXPECT_THAT(sources(), AllOf(HasSubstr("10.9.0.2/32"), Not(HasSubstr("10.9.0.3/32"))));
}

TEST_F(FirewalldTest, EachSuiteRemovesWhatTheOtherAdded) {
  if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
  Json conf = config();
  conf["cniVersion"] = conf["prevResult"]["cniVersion"] = "1.0.0";
  const std::string theirs = reference_plugins() + "/firewall";
  auto added = run_plugin(theirs, environment("ADD", "ctr1", "eth0"), conf.dump());
  ASSERT_TRUE(added.ok()) << added.output;
  const std::string made = sources();
  EXPECT_TRUE(firewall("CHECK", conf).ok());
  ASSERT_TRUE(firewall("DEL", conf).ok());
  EXPECT_EQ("\n", sources());
  ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_EQ(made, sources());
  EXPECT_TRUE(run_plugin(theirs, environment("CHECK", "ctr1", "eth0"), conf.dump()).ok());
  ASSERT_TRUE(run_plugin(theirs, environment("DEL", "ctr1", "eth0"), conf.dump()).ok());
  EXPECT_EQ("\n", sources());
}

class WithoutFirewalldTest : public FirewalledHost {};

TEST_F(WithoutFirewalldTest, AddAndStatusSayWhatIsMissingAndDelSucceeds) {
  Json conf = firewall_config("firewalld", "{}", 2, "br0");
  const auto added = firewall("ADD", conf);
  EXPECT_FALSE(added.ok());
  EXPECT_THAT(added.output, HasSubstr("D-Bus system bus"));
  EXPECT_TRUE(firewall("DEL", conf).ok());
  conf.erase("prevResult");
  const auto status = firewall("STATUS", conf);
  EXPECT_EQ(50, Json::parse(status.output)["code"]);
  EXPECT_THAT(status.output, HasSubstr("org.fedoraproject.FirewallD1"));
  EXPECT_NE(0, ::access("/run/berth-firewall/firewalld.json", F_OK));
}

}  // namespace
}  // namespace berth::test
