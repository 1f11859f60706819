// The nftables backend against the kernel, with nft as witness.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "firewall/firewall.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using firewall::Owner;
using firewall::Publication;
using net::IpAddress;
using net::IpNet;
using ::testing::HasSubstr;
using ::testing::Not;

const Owner kFirst{"n1", "ctr1", "eth0"};
const Owner kSecond{"n1", "ctr1", "eth1"};
const Owner kThird{"n2", "ctr1", "eth2"};
const Owner kOther{"n1", "ctr2", "eth0"};

class FirewallNftablesTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (system_program("nft").empty()) GTEST_SKIP() << "nftables is not installed";
    if (const auto why = firewall::why_unusable("nftables"); !why.empty()) GTEST_SKIP() << why;
    firewall_ = firewall::make("nftables");
  }

  static std::string ruleset() { return must_run({"nft", "-s", "list", "ruleset"}); }

  static Publication publication(uint16_t port, const std::string& address = "10.9.0.2/24") {
    Publication publication;
    publication.ports = {{port, 80, "tcp", std::nullopt}};
    publication.container_v4 = IpNet::parse(address);
    return publication;
  }

  std::unique_ptr<firewall::Firewall> firewall_;
};

TEST_F(FirewallNftablesTest, NftShowsPortsAndOwners) {
  auto ports = publication(8080);
  ports.ports.push_back({53, 5353, "udp", IpAddress::parse("192.0.2.1")});
  ports.container_v6 = IpNet::parse("fd00:9::2/64");
  firewall_->publish(kFirst, ports);
  const std::string shown = ruleset();
  EXPECT_THAT(shown, HasSubstr("fib daddr type local jump published"));
  EXPECT_THAT(shown, HasSubstr("dnat ip to meta l4proto . th dport map @published4"));
  EXPECT_THAT(shown, HasSubstr("tcp . 8080 comment \"n1/ctr1/eth0\" : 10.9.0.2 . 80"));
  EXPECT_THAT(shown, HasSubstr("192.0.2.1 . udp . 53 comment \"n1/ctr1/eth0\" : 10.9.0.2 . 5353"));
  EXPECT_THAT(shown, HasSubstr("tcp . 8080 comment \"n1/ctr1/eth0\" : fd00:9::2 . 80"));
  const auto removed = firewall_->unpublish(kFirst);
  ASSERT_EQ(3U, removed.size());
  EXPECT_EQ("", ruleset());
  EXPECT_TRUE(firewall_->unpublish(kFirst).empty());
}

TEST_F(FirewallNftablesTest, TheRulesetCanBeSavedAndRestored) {
  firewall_->publish(kFirst, publication(8080));
  firewall_->masquerade(kFirst, {IpNet::parse("10.9.0.2/24"), IpNet::parse("fd00:9::2/64")});
  RunOptions restore;
  restore.input = ruleset();
  must_run({"nft", "flush", "ruleset"});
  must_run({"nft", "-f", "-"}, restore);
  EXPECT_EQ(restore.input, ruleset());
  EXPECT_NO_THROW(firewall_->check_published(kFirst, publication(8080)));
}

TEST_F(FirewallNftablesTest, MasqueradingIsMadeOnceFoundAndRemoved) {
  const std::vector<IpNet> addresses{IpNet::parse("10.9.0.2/24"), IpNet::parse("fd00:9::2/64")};
  EXPECT_FALSE(firewall_->is_masqueraded(kFirst, addresses));
  firewall_->masquerade(kFirst, addresses);
  const std::string once = ruleset();
  EXPECT_THAT(once, HasSubstr("ip saddr @masquerade-n1-10.9.0.0/24 ip daddr != 10.9.0.0/24"));
  EXPECT_TRUE(firewall_->is_masqueraded(kFirst, addresses));
  EXPECT_FALSE(firewall_->is_masqueraded(kFirst, {IpNet::parse("10.9.0.3/24")}));
  firewall_->masquerade(kFirst, addresses);
  EXPECT_EQ(once, ruleset());
  firewall_->masquerade(kOther, {IpNet::parse("10.9.0.3/24")});
  firewall_->unmasquerade(kOther);
  EXPECT_EQ(once, ruleset());
  firewall_->unmasquerade(kFirst);
  EXPECT_EQ("", ruleset());
  firewall_->unmasquerade(kFirst);
  EXPECT_EQ("", ruleset());
}

TEST_F(FirewallNftablesTest, ASubnetsSetGoesWithItsLastAddress) {
  firewall_->masquerade(kFirst, {IpNet::parse("10.9.0.2/24")});
  const std::string before = ruleset();
  const Owner elsewhere{"n2", "ctr9", "eth0"};
  firewall_->masquerade(elsewhere, {IpNet::parse("10.10.0.2/16"), IpNet::parse("fd00:10::2/64")});
  EXPECT_THAT(ruleset(), HasSubstr("masquerade-n2-"));
  firewall_->unmasquerade(elsewhere);
  EXPECT_EQ(before, ruleset());
}

TEST_F(FirewallNftablesTest, AnAddressThatADeadContainerLeftBehindIsTakenOver) {
  firewall_->masquerade(kFirst, {IpNet::parse("10.9.0.2/24")});
  firewall_->masquerade(kOther, {IpNet::parse("10.9.0.2/24")});
  EXPECT_FALSE(firewall_->is_masqueraded(kFirst, {IpNet::parse("10.9.0.2/24")}));
  firewall_->unmasquerade(kFirst);
  EXPECT_TRUE(firewall_->is_masqueraded(kOther, {IpNet::parse("10.9.0.2/24")}));
}

TEST_F(FirewallNftablesTest, APortOfAnotherContainerIsRefusedAndNothingChanges) {
  firewall_->publish(kFirst, publication(80));
  const std::string before = ruleset();
  EXPECT_THROW(firewall_->publish(kOther, publication(80, "10.9.0.7/24")), firewall::PortTaken);
  auto limited = publication(80, "10.9.0.7/24");
  limited.ports[0].host_ip = IpAddress::parse("192.0.2.1");
  EXPECT_THROW(firewall_->publish(kOther, limited), firewall::PortTaken);
  const auto conflict = firewall_->find_conflict(kOther, limited);
  ASSERT_TRUE(conflict);
  EXPECT_EQ("ctr1", conflict->owner.container_id);
  EXPECT_EQ(before, ruleset());
  EXPECT_FALSE(firewall_->find_conflict(kOther, publication(81)));
  auto udp = publication(80);
  udp.ports[0].protocol = "udp";
  EXPECT_FALSE(firewall_->find_conflict(kOther, udp));
}

TEST_F(FirewallNftablesTest, APortOnOneAddressMeetsThatOnAll) {
  auto limited = publication(80);
  limited.ports[0].host_ip = IpAddress::parse("192.0.2.1");
  firewall_->publish(kFirst, limited);
  EXPECT_THROW(firewall_->publish(kOther, publication(80, "10.9.0.7/24")), firewall::PortTaken);
  auto other = publication(80, "10.9.0.7/24");
  other.ports[0].host_ip = IpAddress::parse("192.0.2.2");
  EXPECT_NO_THROW(firewall_->publish(kOther, other));
}

TEST_F(FirewallNftablesTest, InterfacesOfOneContainerShareAPortAndTheLastOneKeepsIt) {
  firewall_->publish(kFirst, publication(80));
  const std::string alone = ruleset();
  firewall_->publish(kSecond, publication(80, "10.9.0.3/24"));
  firewall_->publish(kThird, publication(80, "10.9.0.4/24"));
  EXPECT_THAT(ruleset(), HasSubstr(": 10.9.0.2 . 80"));
  EXPECT_NO_THROW(firewall_->check_published(kSecond, publication(80, "10.9.0.3/24")));
  firewall_->unpublish(kFirst);
  EXPECT_THAT(ruleset(), AllOf(HasSubstr(": 10.9.0.3 . 80"), Not(HasSubstr("10.9.0.2"))));
  EXPECT_NO_THROW(firewall_->check_published(kSecond, publication(80, "10.9.0.3/24")));
  firewall_->unpublish(kSecond);
  EXPECT_THAT(ruleset(), HasSubstr(": 10.9.0.4 . 80"));
  EXPECT_THROW(firewall_->publish(kOther, publication(80, "10.9.0.7/24")), firewall::PortTaken);
  firewall_->unpublish(kThird);
  EXPECT_EQ("", ruleset());
}

TEST_F(FirewallNftablesTest, ManyPortsOfOneContainerNeedSeveralRecords) {
  auto many = publication(1);
  many.ports.clear();
  for (uint16_t port = 1; port <= 200; ++port) many.ports.push_back({port, port, "tcp", std::nullopt});
  firewall_->publish(kFirst, many);
  EXPECT_NO_THROW(firewall_->check_published(kFirst, many));
  firewall_->publish(kFirst, publication(8080));
  EXPECT_THAT(ruleset(), Not(HasSubstr("tcp . 200 ")));
  EXPECT_EQ(1U, firewall_->unpublish(kFirst).size());
  EXPECT_EQ("", ruleset());
}

TEST_F(FirewallNftablesTest, CheckNamesWhatIsMissing) {
  const auto expect_missing = [&](const std::string& what) {
    try {
      firewall_->check_published(kFirst, publication(80));
      ADD_FAILURE() << what << " is missing, and goes unnoticed";
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), HasSubstr(what));
    }
  };
  expect_missing("rule");
  firewall_->publish(kFirst, publication(80));
  EXPECT_NO_THROW(firewall_->check_published(kFirst, publication(80)));
  must_run({"nft", "delete", "element", "inet", "berth", "published4", "{ tcp . 80 }"});
  expect_missing("port 80/tcp");
  firewall_->publish(kFirst, publication(80));
  EXPECT_NO_THROW(firewall_->check_published(kFirst, publication(80)));
  must_run({"nft", "flush", "chain", "inet", "berth", "prerouting"});
  expect_missing("prerouting");
}

TEST_F(FirewallNftablesTest, GarbageOfTheNetworkIsCollectedAndNothingElse) {
  const Owner foreign{"n2", "ctr1", "eth0"};
  firewall_->masquerade(kFirst, {IpNet::parse("10.9.0.2/24")});
  firewall_->publish(kFirst, publication(80));
  firewall_->masquerade(kOther, {IpNet::parse("10.9.0.3/24")});
  firewall_->publish(kOther, publication(81, "10.9.0.3/24"));
  firewall_->masquerade(foreign, {IpNet::parse("10.10.0.2/24")});
  firewall_->collect_garbage("n1", [](const Owner& owner) { return owner.container_id == "ctr2"; });
  EXPECT_FALSE(firewall_->is_masqueraded(kFirst, {IpNet::parse("10.9.0.2/24")}));
  EXPECT_THROW(firewall_->check_published(kFirst, publication(80)), std::runtime_error);
  EXPECT_TRUE(firewall_->is_masqueraded(kOther, {IpNet::parse("10.9.0.3/24")}));
  EXPECT_NO_THROW(firewall_->check_published(kOther, publication(81, "10.9.0.3/24")));
  EXPECT_TRUE(firewall_->is_masqueraded(foreign, {IpNet::parse("10.10.0.2/24")}));
}

TEST_F(FirewallNftablesTest, LongNamesAreShortenedAndStillFound) {
  const Owner owner{std::string(300, 'n'), std::string(500, 'i'), "eth0"};
  firewall_->publish(owner, publication(80));
  firewall_->masquerade(owner, {IpNet::parse("10.9.0.2/24"), IpNet::parse("fd00:9:1234:5678::2/64")});
  EXPECT_TRUE(firewall_->is_masqueraded(owner, {IpNet::parse("10.9.0.2/24")}));
  EXPECT_THROW(firewall_->publish(kOther, publication(80)), firewall::PortTaken);
  firewall_->collect_garbage(owner.network, [](const Owner&) { return false; });
  EXPECT_NO_THROW(firewall_->check_published(owner, publication(80))) << "nobody can tell whose it is";
  firewall_->unpublish(owner);
  firewall_->unmasquerade(owner);
  EXPECT_EQ("", ruleset());
}

TEST_F(FirewallNftablesTest, WhatTheReferencePluginsLeftIsRemoved) {
  RunOptions theirs;
  theirs.input = R"(
    table ip cni_hostport {
      chain hostports {
        tcp dport 8080 dnat to 10.9.0.2:80 comment "ctr1"
        tcp dport 8081 dnat to 10.9.0.3:80 comment "ctr2"
      }
    }
    table inet cni_plugins_masquerade {
      chain masq_checks {
        ip saddr 10.9.0.2 ip daddr != 10.9.0.0/24 masquerade comment "cddb5cbee1fb7d6a-fd4cb35a1d7d3b0f, net: n1, if: eth0, id: ctr1"
      }
    }
    )";
  // The hashes of the comment: network, then interface:container.
  const auto hash = [](const std::string& text) {
    RunOptions options;
    options.input = text;
    return must_run({"sha512sum"}, options).substr(0, 16);
  };
  const std::string made_up = "cddb5cbee1fb7d6a-fd4cb35a1d7d3b0f";
  const std::string whole = hash("n1") + "-" + hash("eth0:ctr1");
  theirs.input.replace(theirs.input.find(made_up), made_up.size(), whole);
  must_run({"nft", "-f", "-"}, theirs);
  firewall::unpublish_everywhere(kFirst);
  EXPECT_THAT(ruleset(), AllOf(Not(HasSubstr("\"ctr1\"")), HasSubstr("\"ctr2\"")));
  firewall::collect_garbage_everywhere("n1", [](const Owner&) { return true; });
  EXPECT_THAT(ruleset(), HasSubstr("id: ctr1"));
  firewall::collect_garbage_everywhere("n1", [](const Owner&) { return false; });
  EXPECT_THAT(ruleset(), Not(HasSubstr("id: ctr1")));
  must_run({"nft", "-f", "-"}, theirs);
  firewall::unmasquerade_everywhere(kSecond);
  EXPECT_THAT(ruleset(), HasSubstr("id: ctr1"));
  firewall::unmasquerade_everywhere(kFirst);
  EXPECT_THAT(ruleset(), Not(HasSubstr("id: ctr1")));
}

TEST_F(FirewallNftablesTest, AutomaticIsIptablesOnlyWhereLegacyTablesAreInUse) {
  EXPECT_EQ("nftables", firewall::automatic_backend());
  if (system_program("iptables-legacy").empty()) GTEST_SKIP() << "iptables-legacy is not installed";
  must_run({"iptables-legacy", "-t", "filter", "-S"});
  EXPECT_EQ("iptables", firewall::automatic_backend());
  firewall_->publish(kFirst, publication(80));
  EXPECT_EQ("nftables", firewall::automatic_backend()) << "networks that are on nf_tables stay there";
}

TEST_F(FirewallNftablesTest, TwentyProcessesAtOnceBesideNftLoseNothing) {
  firewall_->publish({"n1", "base", "eth0"}, publication(7999, "10.9.0.250/24"));
  const std::string before = ruleset();
  std::vector<pid_t> children;
  for (int number = 0; number < 20; ++number) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const Owner owner{"n1", "p" + std::to_string(number), "eth0"};
      const auto address = "10.9.0." + std::to_string(number + 2) + "/24";
      const auto ports = publication(static_cast<uint16_t>(8000 + number), address);
      try {
        for (int round = 0; round < 10; ++round) {
          firewall_->publish(owner, ports);
          firewall_->check_published(owner, ports);
          firewall_->masquerade(owner, {IpNet::parse(address)});
          firewall_->unpublish(owner);
          firewall_->unmasquerade(owner);
        }
        firewall_->publish(owner, ports);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (int round = 0; round < 20; ++round) {
    must_run({"nft", "add", "table", "ip", "beside"});
    must_run({"nft", "delete", "table", "ip", "beside"});
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(child, ::waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }
  for (int number = 0; number < 20; ++number) {
    const Owner owner{"n1", "p" + std::to_string(number), "eth0"};
    const auto address = "10.9.0." + std::to_string(number + 2) + "/24";
    EXPECT_NO_THROW(firewall_->check_published(owner, publication(static_cast<uint16_t>(8000 + number), address)));
    firewall_->unpublish(owner);
  }
  EXPECT_EQ(before, ruleset());
}

}  // namespace
}  // namespace berth::test
