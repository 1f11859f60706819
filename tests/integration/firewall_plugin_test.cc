// The firewall plugin on the iptables backend: real traffic through a host that drops what it forwards, and rules
// compared with the reference's.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>

#include <regex>
#include <sstream>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "cni/plugin/firewall/attachment.h"
#include "firewall/admission.h"
#include "support/firewalled_host.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpAddress;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class FirewallPluginTest : public FirewalledHost {
 protected:
  void SetUp() override {
    FirewalledHost::SetUp();
    if (IsSkipped()) return;
    if (system_program("iptables-legacy").empty()) GTEST_SKIP() << "iptables-legacy is not installed";
    must_run({"iptables-legacy", "-P", "FORWARD", "DROP"});
    must_run({"ip6tables-legacy", "-P", "FORWARD", "DROP"});
  }

  static Json config(const std::string& more = "{}", int host = 2, const std::string& bridge = "br0") {
    return firewall_config("iptables", more, host, bridge);
  }

  base::CommandResult reference(const std::string& command, const Json& conf) const {
    auto variables = environment(command, "ctr1", "eth0");
    variables["PATH"] = path_with_legacy_iptables(scratch() + "/bin");
    return run_plugin(reference_plugins() + "/firewall", variables, conf.dump());
  }

  /// The rules and chains of the table filter, both families, without counters and dates.
  static std::string rules() {
    std::string kept;
    for (const char* program : {"iptables-legacy-save", "ip6tables-legacy-save"}) {
      std::istringstream lines(must_run({program, "-t", "filter"}));
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("#")) continue;
        if (line.starts_with(":")) line.resize(line.find('['));
        kept += line + "\n";
      }
    }
    return kept;
  }

  static void flush_rules() {
    for (const char* program : {"iptables-legacy", "ip6tables-legacy"}) {
      must_run({program, "-F"});
      must_run({program, "-X"});
    }
  }

  static void restore_without_marks() {
    for (const std::string program : {"iptables-legacy", "ip6tables-legacy"}) {
      RunOptions options;
      options.input = must_run({program + "-save"});
      must_run({program + "-restore"}, options);
    }
  }
};

TEST_F(FirewallPluginTest, AnAdmittedContainerReachesTheWorldButNobodyReachesIt) {
  const auto c = container("c", "br0", 2);
  const auto world = outside();
  const auto server = web_server(*world, "world");
  const auto own_server = web_server(*c, "own");
  EXPECT_FALSE(reaches(*c, kWorldV4)) << "the host drops what it forwards";

  const auto added = firewall("ADD", config());
  ASSERT_TRUE(added.ok()) << added.output;
  EXPECT_EQ(config()["prevResult"]["ips"][0]["address"], Json::parse(added.output)["ips"][0]["address"]);
  EXPECT_TRUE(reaches(*c, kWorldV4));
  EXPECT_TRUE(reaches(*c, kWorldV6));
  EXPECT_FALSE(reaches(*world, "10.9.0.2")) << "new connections to it are not accepted";
  EXPECT_FALSE(reaches(*world, "fd00:9::2"));
  EXPECT_TRUE(firewall("CHECK", config()).ok());

  ASSERT_TRUE(firewall("DEL", config()).ok());
  EXPECT_FALSE(reaches(*c, kWorldV4));
  EXPECT_FALSE(firewall("CHECK", config()).ok());
}

TEST_F(FirewallPluginTest, RulesOfAdministratorsComeFirstAndStay) {
  const auto c = container("c", "br0", 2);
  const auto world = outside();
  const auto server = web_server(*world, "world");
  const Json conf = config(R"({"iptablesAdminChainName": "OUR-RULES"})");
  ASSERT_TRUE(firewall("ADD", conf).ok());
  must_run({"iptables-legacy", "-A", "OUR-RULES", "-d", "192.168.77.2", "-j", "DROP"});
  EXPECT_FALSE(reaches(*c, kWorldV4));
  EXPECT_TRUE(reaches(*c, kWorldV6));
  ASSERT_TRUE(firewall("DEL", conf).ok());
  EXPECT_THAT(rules(), AllOf(HasSubstr("-A OUR-RULES -d 192.168.77.2/32 -j DROP"), HasSubstr("-j OUR-RULES"),
                             Not(HasSubstr("10.9.0.2")), Not(HasSubstr("fd00:9::2"))));
  ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_FALSE(reaches(*c, kWorldV4)) << "as before";
}

TEST_F(FirewallPluginTest, NothingIsLeftAfterTheLastContainer) {
  const std::string before = rules();
  for (const char* policy : {"open", "same-bridge", "isolated"}) {
    const Json conf = config(std::string(R"({"ingressPolicy": ")") + policy + "\"}");
    ASSERT_TRUE(firewall("ADD", conf).ok());
    EXPECT_NE(before, rules());
    ASSERT_TRUE(firewall("DEL", conf).ok());
    EXPECT_EQ(before, rules()) << policy;
  }
}

TEST_F(FirewallPluginTest, ARestrictedBridgeStaysSoWhileItHasOtherPorts) {
  const auto other = container("other", "br0", 3);
  const Json conf = config(R"({"ingressPolicy": "same-bridge"})");
  ASSERT_TRUE(firewall("ADD", conf).ok());
  ASSERT_TRUE(firewall("ADD", config("{}", 3), "ctr2").ok());
  ASSERT_TRUE(firewall("DEL", conf).ok());
  EXPECT_THAT(rules(), HasSubstr("-i br0 ! -o br0"));
  ASSERT_TRUE(firewall("DEL", config("{}", 3), "ctr2").ok()) << "names vother as its own";
  EXPECT_THAT(rules(), HasSubstr("-i br0 ! -o br0"));
  must_run({"ip", "link", "delete", "vother"});
  ASSERT_TRUE(firewall("DEL", conf).ok());
  EXPECT_THAT(rules(), Not(HasSubstr("br0")));
}

TEST_F(FirewallPluginTest, ContainersOfRestrictedBridgesDoNotReachEachOther) {
  const auto a = container("a", "br0", 2);
  const auto b = container("b", "br1", 2);
  const auto neighbour = container("n", "br0", 3);
  const auto server = web_server(*b, "b");
  const auto neighbours = web_server(*neighbour, "n");
  const auto world = outside();
  const auto world_server = web_server(*world, "world");
  ASSERT_TRUE(firewall("ADD", config(), "a").ok());
  ASSERT_TRUE(firewall("ADD", config("{}", 2, "br1"), "b").ok());
  EXPECT_TRUE(reaches(*a, "10.10.0.2")) << "open bridges are routed";

  const char* policy = R"({"ingressPolicy": "same-bridge"})";
  ASSERT_TRUE(firewall("ADD", config(policy), "a").ok());
  EXPECT_TRUE(reaches(*a, "10.10.0.2")) << "the other one is still open";
  ASSERT_TRUE(firewall("ADD", config(policy, 2, "br1"), "b").ok());
  EXPECT_FALSE(reaches(*a, "10.10.0.2"));
  EXPECT_FALSE(reaches(*a, "fd00:10::2"));
  EXPECT_TRUE(reaches(*a, kWorldV4));
  EXPECT_TRUE(reaches(*a, "10.9.0.3")) << "on its own bridge";
  EXPECT_TRUE(firewall("CHECK", config(policy), "a").ok());
}

TEST_F(FirewallPluginTest, IsolationHoldsThoughForwardRulesWereMadeAnew) {
  const auto a = container("a", "br0", 2);
  const auto b = container("b", "br1", 2);
  const auto server = web_server(*b, "b");
  const char* policy = R"({"ingressPolicy": "same-bridge"})";
  const Json first = config(policy);
  const Json second = config(policy, 2, "br1");
  ASSERT_TRUE(firewall("ADD", first, "a").ok());
  ASSERT_TRUE(firewall("ADD", second, "b").ok());
  // As the reference would leave it after somebody deleted its rules from FORWARD.
  must_run({"iptables-legacy", "-D", "FORWARD", "-m", "comment", "--comment",
            "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)", "-j", "CNI-ISOLATION-STAGE-1"});
  must_run({"iptables-legacy", "-A", "FORWARD", "-m", "comment", "--comment",
            "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)", "-j", "CNI-ISOLATION-STAGE-1"});
  EXPECT_TRUE(reaches(*a, "10.10.0.2")) << "accepted before it is isolated";
  const auto checked = firewall("CHECK", first, "a");
  EXPECT_THAT(checked.output, HasSubstr("before CNI-ISOLATION-STAGE-1"));
  ASSERT_TRUE(firewall("ADD", config("{}", 4), "c").ok());
  EXPECT_FALSE(reaches(*a, "10.10.0.2"));
  EXPECT_TRUE(firewall("CHECK", first, "a").ok());
}

TEST_F(FirewallPluginTest, IsolatedContainersOfOneBridgeDoNotReachEachOther) {
  const auto a = container("a", "br0", 2);
  const auto b = container("b", "br0", 3);
  const auto server = web_server(*b, "b");
  const Json conf = config(R"({"ingressPolicy": "isolated"})");
  ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_THAT(rules(), HasSubstr("-A CNI-ISOLATION-STAGE-1 -i br0 -o br0 -m comment --comment \"CNI firewall plugin "
                                 "rules (ingressPolicy: isolated)\" -j DROP"));
  EXPECT_TRUE(firewall("CHECK", conf).ok());
  if (!run({"cat", "/proc/sys/net/bridge/bridge-nf-call-iptables"}).ok()) {
    GTEST_SKIP() << "the rules are there, but this kernel has no br_netfilter to show them bridged packets";
  }
  EXPECT_FALSE(reaches(*a, "10.9.0.3"));
}

TEST_F(FirewallPluginTest, MakesTheReferencesRulesAndEachRemovesTheOthers) {
  if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
  // Debian 12 has release 1.1.1, which does not know `isolated`, nor names it in comments.
  const auto as_of_1_1_1 = [](const std::string& text) {
    return std::regex_replace(text, std::regex("same-bridge\\|isolated"), "same-bridge");
  };
  for (const char* variant : {R"({})", R"({"ingressPolicy": "same-bridge"})", R"({"ingressPolicy": "open"})",
                              R"({"iptablesAdminChainName": "OUR-RULES"})"}) {
    SCOPED_TRACE(variant);
    Json conf = config(variant);
    conf["cniVersion"] = conf["prevResult"]["cniVersion"] = "1.0.0";
    flush_rules();
    auto made = reference("ADD", conf);
    ASSERT_TRUE(made.ok()) << made.output;
    const std::string theirs = rules();
    const auto checked = firewall("CHECK", conf);
    EXPECT_TRUE(checked.ok()) << checked.output << theirs;
    ASSERT_TRUE(firewall("DEL", conf).ok());
    EXPECT_THAT(rules(), AllOf(Not(HasSubstr("10.9.0.2")), Not(HasSubstr("fd00:9::2"))));

    flush_rules();
    made = firewall("ADD", conf);
    ASSERT_TRUE(made.ok()) << made.output;
    EXPECT_EQ(theirs, as_of_1_1_1(rules()));
    const auto checked_by_them = reference("CHECK", conf);
    EXPECT_TRUE(checked_by_them.ok()) << checked_by_them.output;
    EXPECT_EQ(theirs, as_of_1_1_1(rules())) << "it found all its rules";
    ASSERT_TRUE(reference("DEL", conf).ok());
    EXPECT_THAT(rules(), AllOf(Not(HasSubstr("10.9.0.2")), Not(HasSubstr("fd00:9::2"))));
    ASSERT_TRUE(firewall("DEL", conf).ok());
  }
}

TEST_F(FirewallPluginTest, DelNeedsNeitherPrevResultNorNamespaceNorAValidConfiguration) {
  const std::string before = rules();
  ASSERT_TRUE(firewall("ADD", config(R"({"ingressPolicy": "isolated"})")).ok());
  const Json bare = Json::parse(R"({"cniVersion": "1.1.0", "name": "n1", "type": "firewall", "ingressPolicy": "?"})");
  for (const char* netns : {"", "/run/netns/gone"}) {
    auto variables = environment("DEL", "ctr1", "eth0");
    variables["CNI_NETNS"] = netns;
    const auto result = run_plugin(built("firewall"), variables, bare.dump());
    EXPECT_TRUE(result.ok()) << result.output;
    EXPECT_EQ(before, rules());
  }
}

TEST_F(FirewallPluginTest, ALateDelDoesNotTakeTheAddressFromItsNextOwner) {
  ASSERT_TRUE(firewall("ADD", config(), "old").ok());
  ASSERT_TRUE(firewall("ADD", config(), "new").ok());
  ASSERT_TRUE(firewall("DEL", config(), "old").ok());
  EXPECT_TRUE(firewall("CHECK", config(), "new").ok());
  EXPECT_THAT(rules(), HasSubstr("-A CNI-FORWARD -s 10.9.0.2/32 -j ACCEPT"));
  ASSERT_TRUE(firewall("DEL", config(), "new").ok());
  EXPECT_THAT(rules(), Not(HasSubstr("CNI-")));
}

TEST_F(FirewallPluginTest, RulesThatLostTheirMarkAreFoundByTheirAddressAndTakenOver) {
  ASSERT_TRUE(firewall("ADD", config()).ok());
  const std::string once = rules();
  restore_without_marks();
  EXPECT_TRUE(firewall("CHECK", config()).ok());
  ASSERT_TRUE(firewall("ADD", config()).ok());
  EXPECT_EQ(once, rules()) << "no second pair";
  restore_without_marks();
  ASSERT_TRUE(firewall("DEL", config()).ok());
  EXPECT_THAT(rules(), Not(HasSubstr("CNI-")));
}

TEST_F(FirewallPluginTest, AddIsRepeatable) {
  const Json conf = config(R"({"ingressPolicy": "isolated"})");
  ASSERT_TRUE(firewall("ADD", conf).ok());
  const std::string once = rules();
  ASSERT_TRUE(firewall("ADD", conf).ok());
  EXPECT_EQ(once, rules());
}

TEST_F(FirewallPluginTest, CheckChangesNothingAndNamesWhatIsMissing) {
  const Json conf = config(R"({"ingressPolicy": "same-bridge"})");
  const auto damage_is_named = [&](const std::vector<std::string>& damage, const std::string& name) {
    flush_rules();
    ASSERT_TRUE(firewall("ADD", conf).ok());
    must_run(damage);
    const std::string damaged = rules();
    const auto result = firewall("CHECK", conf);
    EXPECT_FALSE(result.ok()) << name;
    EXPECT_THAT(result.output, HasSubstr(name));
    EXPECT_EQ(damaged, rules());
  };
  damage_is_named({"iptables-legacy", "-D", "CNI-FORWARD", "-s", "10.9.0.2/32", "-j", "ACCEPT"}, "from 10.9.0.2");
  damage_is_named({"ip6tables-legacy", "-F", "CNI-FORWARD"}, "CNI-ADMIN");
  damage_is_named({"iptables-legacy", "-F", "FORWARD"}, "FORWARD");
  damage_is_named({"iptables-legacy", "-F", "CNI-ISOLATION-STAGE-2"}, "enters bridge br0");
  damage_is_named({"ip6tables-legacy", "-F", "CNI-ISOLATION-STAGE-1"}, "leaves bridge br0");
  flush_rules();
  const std::string empty = rules();
  EXPECT_FALSE(firewall("CHECK", conf).ok());
  EXPECT_EQ(empty, rules());
}

TEST_F(FirewallPluginTest, GarbageOfContainersThatAreGoneIsCollected) {
  const auto kept = container("kept", "br1", 2);
  const char* policy = R"({"ingressPolicy": "same-bridge"})";
  ASSERT_TRUE(firewall("ADD", config(policy), "gone").ok());
  ASSERT_TRUE(firewall("ADD", config(policy, 2, "br1"), "kept").ok());
  Json other_network = config("{}", 7);
  other_network["name"] = "n2";
  ASSERT_TRUE(firewall("ADD", other_network, "gone").ok());

  Json conf = config();
  conf.erase("prevResult");
  ASSERT_TRUE(firewall("GC", conf).ok()) << "names no attachments";
  EXPECT_THAT(rules(), HasSubstr("10.9.0.2/32"));
  conf["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "kept", "ifname": "eth0"}])");
  const auto result = firewall("GC", conf);
  ASSERT_TRUE(result.ok()) << result.output;
  EXPECT_THAT(rules(), AllOf(Not(HasSubstr("10.9.0.2/32")), HasSubstr("10.10.0.2/32"), HasSubstr("10.9.0.7/32")));
  EXPECT_THAT(rules(), AllOf(Not(HasSubstr("-i br0")), HasSubstr("-i br1"))) << "br0 has no port any more";
}

TEST_F(FirewallPluginTest, ManyContainersComeAndGoAtOnce) {
  const std::string before = rules();
  constexpr int kContainers = 20;
  EXPECT_THAT(firewall_at_once("ADD", "iptables", kContainers), IsEmpty());
  const std::string all = rules();
  for (int i = 0; i < kContainers; ++i) {
    const std::string address = "10.9.0." + std::to_string(kFirst + i) + "/32";
    EXPECT_THAT(all, AllOf(HasSubstr("-s " + address), HasSubstr("-d " + address)));
  }
  EXPECT_THAT(firewall_at_once("DEL", "iptables", kContainers), IsEmpty());
  EXPECT_EQ(before, rules());
}

TEST_F(FirewallPluginTest, BadConfigurationIsNamedAndChangesNothing) {
  const std::string before = rules();
  const auto refused = [&](const Json& conf, int code, const std::string& key, const std::string& value) {
    const Json error = Json::parse(firewall("ADD", conf).output);
    EXPECT_EQ(code, error["code"]) << error;
    EXPECT_THAT(error.dump(), AllOf(HasSubstr(key), HasSubstr(value)));
    EXPECT_EQ(before, rules());
  };
  refused(config(R"({"backend": "ipfw"})"), 7, "backend", "ipfw");
  refused(config(R"({"backend": 7})"), 7, "backend", "7");
  refused(config(R"({"ingressPolicy": "closed"})"), 7, "ingress policy", "closed");
  refused(config(R"({"iptablesAdminChainName": "RETURN"})"), 7, "iptablesAdminChainName", "RETURN");
  refused(config(R"({"iptablesAdminChainName": "A-CHAIN-WITH-A-NAME-OF-29-BYT"})"), 7, "iptablesAdminChainName",
          "29-BYT");
  refused(config(R"({"iptablesAdminChainName": "TWO WORDS"})"), 7, "iptablesAdminChainName", "TWO WORDS");
  refused(config(R"({"firewalldZone": []})"), 7, "firewalldZone", "[]");
  refused(config(R"({"prevResult": null})"), 7, "missing prevResult", "earlier plugin");
  Json no_bridge = config(R"({"ingressPolicy": "isolated"})");
  no_bridge["prevResult"]["interfaces"] = Json::parse(R"([{"name": "eth0", "sandbox": "/run/netns/c"}])");
  no_bridge["prevResult"]["ips"][0]["interface"] = no_bridge["prevResult"]["ips"][1]["interface"] = 0;
  refused(no_bridge, 7, "ingressPolicy", "bridge");
  Json old = config();
  old["cniVersion"] = "0.3.1";
  refused(old, 1, "0.3.1", "0.4.0");
}

TEST_F(FirewallPluginTest, AHeldLockIsTryAgainLater) {
  const base::Fd lock(base::check(::open("/run/xtables.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "open the lock"));
  base::check(::flock(lock.get(), LOCK_EX), "lock");
  firewall::AdmissionOptions options;
  options.lock_timeout = std::chrono::milliseconds(100);
  const auto admission = firewall::make_admission("iptables", options);
  const firewall::Owner owner{"n1", "ctr1", "eth0"};
  const auto code_of = [](const std::function<void()>& work) {
    try {
      cni::translating_firewall_errors(work);
    } catch (const cni::Error& error) {
      return error.code();
    }
    return cni::Code{};
  };
  firewall::Terms terms;
  terms.addresses = {IpAddress::parse("10.9.0.2")};
  EXPECT_EQ(cni::Code::kTryAgainLater, code_of([&] { admission->admit(owner, terms); }));
  EXPECT_EQ(cni::Code::kTryAgainLater, code_of([&] { admission->dismiss(owner, {}); }));
}

TEST_F(FirewallPluginTest, StatusIsReadyWithIptables) {
  Json conf = config();
  conf.erase("prevResult");
  const auto result = firewall("STATUS", conf);
  EXPECT_TRUE(result.ok()) << result.output;
}

TEST_F(FirewallPluginTest, SaysAVersionThatNerdctlTakesForRecentEnough) {
  const auto result = run({built("firewall")});
  EXPECT_TRUE(result.ok());
  std::smatch match;
  const std::string line = result.error.substr(0, result.error.find('\n'));
  ASSERT_TRUE(std::regex_match(line, match, std::regex(R"(CNI firewall plugin v(\d+)\.(\d+)\.(\d+))"))) << line;
  const int version = std::stoi(match[1]) * 10000 + std::stoi(match[2]) * 100 + std::stoi(match[3]);
  EXPECT_GE(version, 10701) << "less is refused for ingressPolicy isolated";
  EXPECT_THAT(result.error, HasSubstr("CNI protocol versions supported: 0.4.0, 1.0.0, 1.1.0\n"));
}

}  // namespace
}  // namespace berth::test
