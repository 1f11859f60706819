// The firewall plugin on the nftables backend: real traffic through our own table, with nft as witness.

#include <gmock/gmock.h>

#include "base/json.h"
#include "support/firewalled_host.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class FirewallNftablesPluginTest : public FirewalledHost {
 protected:
  void SetUp() override {
    FirewalledHost::SetUp();
    if (IsSkipped()) return;
    if (system_program("nft").empty()) GTEST_SKIP() << "nft is not installed";
    if (!run({"nft", "list", "tables"}).ok()) GTEST_SKIP() << "the kernel has no nf_tables";
  }

  static Json config(const std::string& more = "{}", int host = 2, const std::string& bridge = "br0") {
    return firewall_config("nftables", more, host, bridge);
  }
  /// The container's port is "v" and its name.
  static Json config_of(const std::string& name, const std::string& more, int host) {
    Json conf = config(more, host);
    conf["prevResult"]["interfaces"][1]["name"] = "v" + name;
    return conf;
  }

  static std::string ruleset() { return must_run({"nft", "list", "ruleset"}); }
  static std::string elements(const std::string& set) { return must_run({"nft", "list", "set", "inet", "berth", set}); }

  /// An administrator lets nothing be forwarded that is not admitted. (There must be a container for the table to
  /// exist.)
  static void close_the_host() {
    const auto added = firewall("ADD", config("{}", 99), "first");
    ASSERT_TRUE(added.ok()) << added.output;
    must_run({"nft", "add", "rule", "inet", "berth", "not-admitted", "drop"});
  }
};

TEST_F(FirewallNftablesPluginTest, AnAdmittedContainerReachesTheWorldButNobodyReachesIt) {
  const auto c = container("c", "br0", 2);
  const auto world = outside();
  const auto server = web_server(*world, "world");
  const auto own_server = web_server(*c, "own");
  close_the_host();
  EXPECT_FALSE(reaches(*c, kWorldV4));

  ASSERT_TRUE(firewall("ADD", config()).ok());
  EXPECT_TRUE(reaches(*c, kWorldV4));
  EXPECT_TRUE(reaches(*c, kWorldV6));
  EXPECT_FALSE(reaches(*world, "10.9.0.2"));
  EXPECT_THAT(elements("admitted4"), HasSubstr("10.9.0.2 comment \"n1/ctr1/eth0\""));
  EXPECT_TRUE(firewall("CHECK", config()).ok());

  must_run({"nft", "add", "rule", "inet", "berth", "CNI-ADMIN", "ip", "daddr", kWorldV4, "drop"});
  EXPECT_FALSE(reaches(*c, kWorldV4)) << "administrators come first";
  EXPECT_TRUE(reaches(*c, kWorldV6));
  must_run({"nft", "flush", "chain", "inet", "berth", "CNI-ADMIN"});

  const Json bare = Json::parse(R"({"cniVersion": "1.1.0", "name": "n1", "type": "firewall"})");
  for (int time = 0; time < 2; ++time) EXPECT_TRUE(firewall("DEL", bare).ok());
  EXPECT_FALSE(reaches(*c, kWorldV4));
  EXPECT_FALSE(firewall("CHECK", config()).ok());
}

TEST_F(FirewallNftablesPluginTest, NothingIsLeftAfterTheLastContainerButRulesOfAdministrators) {
  const std::string before = ruleset();
  const Json conf = config(R"({"ingressPolicy": "isolated", "iptablesAdminChainName": "OUR-RULES"})");
  for (int time = 0; time < 2; ++time) ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_NE(before, ruleset());
  ASSERT_TRUE(firewall("DEL", conf).ok());
  EXPECT_EQ(before, ruleset());

  ASSERT_TRUE(firewall("ADD", conf).ok());
  must_run({"nft", "add", "rule", "inet", "berth", "OUR-RULES", "ip", "daddr", kWorldV4, "drop"});
  ASSERT_TRUE(firewall("DEL", conf).ok());
  EXPECT_THAT(ruleset(), AllOf(HasSubstr("ip daddr 192.168.77.2 drop"), HasSubstr("jump OUR-RULES"),
                               Not(HasSubstr("10.9.0.2")), Not(HasSubstr("br0"))));
}

TEST_F(FirewallNftablesPluginTest, ContainersOfRestrictedBridgesDoNotReachEachOther) {
  const auto a = container("a", "br0", 2);
  const auto b = container("b", "br1", 2);
  const auto neighbour = container("n", "br0", 3);
  const auto server = web_server(*b, "b");
  const auto neighbours = web_server(*neighbour, "n");
  const auto world = outside();
  const auto world_server = web_server(*world, "world");
  const char* policy = R"({"ingressPolicy": "same-bridge"})";
  ASSERT_TRUE(firewall("ADD", config(policy), "a").ok());
  EXPECT_TRUE(reaches(*a, "10.10.0.2")) << "the other one is still open";
  ASSERT_TRUE(firewall("ADD", config(policy, 2, "br1"), "b").ok());
  EXPECT_FALSE(reaches(*a, "10.10.0.2"));
  EXPECT_FALSE(reaches(*a, "fd00:10::2"));
  EXPECT_TRUE(reaches(*a, kWorldV4));
  EXPECT_TRUE(reaches(*a, "10.9.0.3")) << "on its own bridge";
  EXPECT_TRUE(firewall("CHECK", config(policy), "a").ok());

  ASSERT_TRUE(firewall("DEL", config(policy), "a").ok());
  EXPECT_THAT(elements("restricted"), HasSubstr("br0")) << "it has other ports";
  must_run({"ip", "link", "delete", "va"});
  must_run({"ip", "link", "delete", "vn"});
  ASSERT_TRUE(firewall("DEL", config(policy), "a").ok());
  EXPECT_THAT(elements("restricted"), AllOf(Not(HasSubstr("br0")), HasSubstr("br1")));
}

TEST_F(FirewallNftablesPluginTest, IsolatedContainersOfOneBridgeDoNotReachEachOther) {
  must_run({"sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0"});
  const auto a = container("a", "br0", 2);
  const auto b = container("b", "br0", 3);
  const auto server = web_server(*b, "b");
  const auto world = outside();
  const auto world_server = web_server(*world, "world");
  EXPECT_TRUE(reaches(*a, "10.9.0.3"));
  const char* policy = R"({"ingressPolicy": "isolated"})";
  ASSERT_TRUE(firewall("ADD", config_of("a", policy, 2), "a").ok());
  ASSERT_TRUE(firewall("ADD", config_of("b", policy, 3), "b").ok());
  EXPECT_FALSE(reaches(*a, "10.9.0.3")) << "through the bridge";
  // Through the host, by a route that makes the gateway the next hop.
  must_run({"ip", "-n", "a", "route", "add", "10.9.0.3/32", "via", "10.9.0.1"});
  must_run({"ip", "-n", "b", "route", "add", "10.9.0.2/32", "via", "10.9.0.1"});
  EXPECT_FALSE(reaches(*a, "10.9.0.3")) << "through the host";
  EXPECT_TRUE(reaches(*a, kWorldV4));
  EXPECT_TRUE(firewall("CHECK", config_of("a", policy, 2), "a").ok());
  must_run({"bridge", "link", "set", "dev", "va", "isolated", "off"});
  EXPECT_THAT(firewall("CHECK", config_of("a", policy, 2), "a").output, HasSubstr("port va"));
}

TEST_F(FirewallNftablesPluginTest, AnAddressMayBeThereWithTwoPrefixes) {
  Json conf = config();
  conf["prevResult"]["ips"][1]["address"] = "10.9.0.2/16";
  const auto added = firewall("ADD", conf);
  EXPECT_TRUE(added.ok()) << added.output;
  EXPECT_TRUE(firewall("CHECK", conf).ok());
}

TEST_F(FirewallNftablesPluginTest, TheStrictestPolicyHolds) {
  ASSERT_TRUE(firewall("ADD", config(R"({"ingressPolicy": "isolated"})"), "a").ok());
  ASSERT_TRUE(firewall("ADD", config(R"({"ingressPolicy": "same-bridge"})", 3), "b").ok());
  EXPECT_TRUE(firewall("CHECK", config(R"({"ingressPolicy": "isolated"})"), "a").ok());
  must_run({"nft", "flush", "set", "inet", "berth", "restricted"});
  EXPECT_THAT(firewall("CHECK", config(R"({"ingressPolicy": "isolated"})"), "a").output, HasSubstr("bridge br0"));
}

TEST_F(FirewallNftablesPluginTest, CheckNamesWhatIsMissing) {
  ASSERT_TRUE(firewall("ADD", config()).ok());
  must_run({"nft", "delete", "element", "inet", "berth", "admitted4", "{ 10.9.0.2 }"});
  EXPECT_THAT(firewall("CHECK", config()).output, HasSubstr("10.9.0.2"));
  must_run({"nft", "flush", "chain", "inet", "berth", "forward"});
  EXPECT_THAT(firewall("CHECK", config()).output, HasSubstr("chain forward"));
}

TEST_F(FirewallNftablesPluginTest, ALateDelDoesNotTakeTheAddressFromItsNextOwner) {
  ASSERT_TRUE(firewall("ADD", config(), "old").ok());
  ASSERT_TRUE(firewall("ADD", config(), "new").ok());
  ASSERT_TRUE(firewall("DEL", config(), "old").ok());
  EXPECT_TRUE(firewall("CHECK", config(), "new").ok());
}

TEST_F(FirewallNftablesPluginTest, GarbageOfContainersThatAreGoneIsCollected) {
  ASSERT_TRUE(firewall("ADD", config(), "gone").ok());
  ASSERT_TRUE(firewall("ADD", config("{}", 3), "kept").ok());
  Json other_network = config("{}", 4);
  other_network["name"] = "n2";
  ASSERT_TRUE(firewall("ADD", other_network, "gone").ok());
  Json conf = config();
  conf.erase("prevResult");
  conf["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "kept", "ifname": "eth0"}])");
  const auto result = firewall("GC", conf);
  ASSERT_TRUE(result.ok()) << result.output;
  EXPECT_THAT(elements("admitted4"), AllOf(Not(HasSubstr("10.9.0.2")), HasSubstr("10.9.0.3"), HasSubstr("10.9.0.4")));
  EXPECT_TRUE(firewall("STATUS", conf).ok());
}

TEST_F(FirewallNftablesPluginTest, TheAutomaticChoiceFollowsTheHost) {
  Json conf = config();
  conf.erase("backend");
  ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_THAT(ruleset(), HasSubstr("table inet berth"));
  ASSERT_TRUE(firewall("DEL", conf).ok());
  if (system_program("iptables-legacy").empty()) GTEST_SKIP() << "iptables-legacy is not installed";
  must_run({"iptables-legacy", "-P", "FORWARD", "DROP"});
  ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_THAT(must_run({"iptables-legacy", "-S"}), HasSubstr("-A CNI-FORWARD -s 10.9.0.2/32 -j ACCEPT"));
  EXPECT_THAT(ruleset(), Not(HasSubstr("table inet berth")));
}

TEST_F(FirewallNftablesPluginTest, ManyContainersComeAndGoAtOnce) {
  const std::string before = ruleset();
  for (const char* command : {"ADD", "CHECK", "DEL"}) {
    EXPECT_THAT(firewall_at_once(command, "nftables", 20), IsEmpty());
  }
  EXPECT_EQ(before, ruleset());
}

}  // namespace
}  // namespace berth::test
