// The iptables backend on both flavours, with iptables-legacy and iptables-nft as witnesses.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "base/error.h"
#include "base/fd.h"
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
const Owner kOther{"n1", "ctr2", "eth0"};

class FirewallIptablesTest : public Sandbox, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (system_program(tool()).empty()) GTEST_SKIP() << tool() << " is not installed";
    legacy() ? use_legacy_iptables() : use_iptables_nft();
    if (const auto why = firewall::why_unusable("iptables"); !why.empty()) GTEST_SKIP() << why;
    firewall_ = firewall::make("iptables");
  }

  static bool legacy() { return GetParam() == std::string("legacy"); }
  static std::string tool(const std::string& name = "iptables") { return name + "-" + GetParam(); }

  /// The rules and chains of both families without counters and dates.
  static std::string rules() {
    std::string kept;
    for (const auto& program : {tool() + "-save", tool("ip6tables") + "-save"}) {
      std::istringstream lines(must_run({program, "-t", "nat"}));
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("#")) continue;
        if (line.starts_with(":")) line.resize(line.find('['));
        kept += line + "\n";
      }
    }
    return kept;
  }

  static Publication publication(uint16_t port, const std::string& address = "10.9.0.2/24") {
    Publication publication;
    publication.ports = {{port, 80, "tcp", std::nullopt}};
    publication.container_v4 = IpNet::parse(address);
    return publication;
  }

  std::unique_ptr<firewall::Firewall> firewall_;
};

INSTANTIATE_TEST_SUITE_P(On, FirewallIptablesTest, ::testing::Values("legacy", "nft"),
                         [](const auto& each) { return std::string(each.param); });

TEST_P(FirewallIptablesTest, MasqueradingIsMadeOnceFoundAndRemoved) {
  const std::string empty = rules();
  const std::vector<IpNet> addresses{IpNet::parse("10.9.0.2/24"), IpNet::parse("fd00:9::2/64")};
  EXPECT_FALSE(firewall_->is_masqueraded(kFirst, addresses));
  firewall_->masquerade(kFirst, addresses);
  const std::string once = rules();
  EXPECT_THAT(once, HasSubstr("-A POSTROUTING -s 10.9.0.2/32"));
  EXPECT_THAT(once, HasSubstr("-A POSTROUTING -s fd00:9::2/128"));
  EXPECT_TRUE(firewall_->is_masqueraded(kFirst, addresses));
  EXPECT_FALSE(firewall_->is_masqueraded(kFirst, {IpNet::parse("10.9.0.3/24")}));
  firewall_->masquerade(kFirst, addresses);
  EXPECT_EQ(once, rules());
  firewall_->unmasquerade(kFirst);
  EXPECT_EQ(empty, rules());
  firewall_->unmasquerade(kFirst);
  EXPECT_EQ(empty, rules());
}

TEST_P(FirewallIptablesTest, AFamilyThatIsNotConcernedGetsNoTable) {
  if (!legacy()) GTEST_SKIP() << "the tables of iptables-nft were made for both families";
  const auto tables = [] { return run({"cat", "/proc/net/ip6_tables_names"}).output; };
  firewall_->masquerade(kFirst, {IpNet::parse("10.9.0.2/24")});
  firewall_->publish(kFirst, publication(80));
  firewall_->unpublish(kFirst);
  firewall_->unmasquerade(kFirst);
  EXPECT_THAT(tables(), Not(HasSubstr("nat")));
}

TEST_P(FirewallIptablesTest, ASecondInterfaceOfAContainerIsIndependent) {
  const auto first = publication(80);
  const auto second = publication(80, "10.9.0.3/24");
  firewall_->masquerade(kFirst, {*first.container_v4});
  firewall_->publish(kFirst, first);
  const std::string alone = rules();
  firewall_->masquerade(kSecond, {*second.container_v4});
  firewall_->publish(kSecond, second);
  EXPECT_TRUE(firewall_->is_masqueraded(kFirst, {*first.container_v4}));
  EXPECT_TRUE(firewall_->is_masqueraded(kSecond, {*second.container_v4}));
  for (int time = 0; time < 2; ++time) {  // the repeated removal must not take the first one's
    firewall_->unmasquerade(kSecond);
    firewall_->unpublish(kSecond);
    EXPECT_EQ(alone, rules());
  }
  firewall_->masquerade(kSecond, {*second.container_v4});
  firewall_->publish(kSecond, second);
  for (int time = 0; time < 2; ++time) {
    firewall_->unmasquerade(kFirst);
    firewall_->unpublish(kFirst);
    EXPECT_TRUE(firewall_->is_masqueraded(kSecond, {*second.container_v4}));
    EXPECT_NO_THROW(firewall_->check_published(kSecond, second));
  }
  firewall_->unmasquerade(kSecond);
  firewall_->unpublish(kSecond);
  EXPECT_THAT(rules(), Not(HasSubstr("ctr1")));
}

TEST_P(FirewallIptablesTest, RulesThatLostTheirMarksAreStillFound) {
  firewall_->masquerade(kFirst, {IpNet::parse("10.9.0.2/24")});
  firewall_->publish(kFirst, publication(80));
  RunOptions restore;
  restore.input = must_run({tool() + "-save"});
  must_run({tool() + "-restore"}, restore);
  const std::string restored = rules();
  firewall_->masquerade(kFirst, {IpNet::parse("10.9.0.2/24")});
  firewall_->publish(kFirst, publication(80));
  EXPECT_EQ(restored, rules());
  firewall_->unmasquerade(kFirst);
  firewall_->unpublish(kFirst);
  EXPECT_THAT(rules(), Not(HasSubstr("ctr1")));
}

TEST_P(FirewallIptablesTest, APortOfAnotherContainerIsRefusedAndNothingChanges) {
  firewall_->publish(kFirst, publication(80));
  const std::string before = rules();
  EXPECT_THROW(firewall_->publish(kOther, publication(80, "10.9.0.7/24")), firewall::PortTaken);
  auto limited = publication(80, "10.9.0.7/24");
  limited.ports[0].host_ip = IpAddress::parse("192.0.2.1");
  const auto conflict = firewall_->find_conflict(kOther, limited);
  ASSERT_TRUE(conflict);
  EXPECT_EQ("ctr1", conflict->owner.container_id);
  EXPECT_EQ(before, rules());
  EXPECT_FALSE(firewall_->find_conflict(kOther, publication(81)));
  auto udp = publication(80);
  udp.ports[0].protocol = "udp";
  EXPECT_FALSE(firewall_->find_conflict(kOther, udp));
}

TEST_P(FirewallIptablesTest, APortMayBeSharedByHostAddressesAndByConditions) {
  auto one = publication(80);
  one.ports[0].host_ip = IpAddress::parse("192.0.2.1");
  auto two = publication(80, "10.9.0.3/24");
  two.ports[0].host_ip = IpAddress::parse("192.0.2.2");
  firewall_->publish(kFirst, one);
  EXPECT_NO_THROW(firewall_->publish(kOther, two));
  auto outside = publication(80, "10.9.0.4/24");
  outside.options.conditions_v4 = {"-i", "uplink"};
  EXPECT_NO_THROW(firewall_->publish({"n1", "ctr3", "eth0"}, outside));
}

TEST_P(FirewallIptablesTest, CheckNamesWhatIsMissing) {
  const auto ports = publication(80);
  EXPECT_THROW(firewall_->check_published(kFirst, ports), std::runtime_error);
  firewall_->publish(kFirst, ports);
  EXPECT_NO_THROW(firewall_->check_published(kFirst, ports));
  must_run({tool(), "-t", "nat", "-F", "CNI-HOSTPORT-DNAT"});
  try {
    firewall_->check_published(kFirst, ports);
    FAIL() << "the missing rule went unnoticed";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("CNI-HOSTPORT-DNAT"));
  }
}

TEST_P(FirewallIptablesTest, GarbageOfTheNetworkIsCollectedAndNothingElse) {
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

TEST_P(FirewallIptablesTest, ALockThatIsHeldEndsInBusyAfterTheWait) {
  const base::Fd lock = base::open_file("/run/xtables.lock", O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(0, ::flock(lock.get(), LOCK_EX));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(firewall::make_iptables(std::chrono::milliseconds(200))->publish(kFirst, publication(80)),
               firewall::Busy);
  const auto waited = std::chrono::steady_clock::now() - start;
  EXPECT_GE(waited, std::chrono::milliseconds(200));
  EXPECT_LT(waited, std::chrono::seconds(5));
  ASSERT_EQ(0, ::flock(lock.get(), LOCK_UN));
  EXPECT_NO_THROW(firewall_->publish(kFirst, publication(80)));
}

TEST_P(FirewallIptablesTest, AnUnknownSetmarkChainIsNamed) {
  auto ports = publication(80);
  ports.options.external_setmark_chain = "KUBE-MARK-MASQ";
  try {
    firewall_->publish(kFirst, ports);
    FAIL() << "a jump to nowhere was accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("KUBE-MARK-MASQ"));
  }
  must_run({tool(), "-t", "nat", "-N", "KUBE-MARK-MASQ"});
  firewall_->publish(kFirst, ports);
  EXPECT_THAT(rules(), HasSubstr("--dport 80 -j KUBE-MARK-MASQ"));
  EXPECT_THAT(rules(), Not(HasSubstr("CNI-HOSTPORT-MASQ")));
}

TEST_P(FirewallIptablesTest, TheOldSnatChainIsRemovedToo) {
  firewall_->publish(kFirst, publication(80));
  const std::string before = rules();
  const std::string chain = "CNI-SN-c189d8b6a7b4d184c9f70";
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"-N", "CNI-HOSTPORT-SNAT"}, {"-N", chain}, {"-A", "CNI-HOSTPORT-SNAT", "-j", chain}}) {
    std::vector<std::string> command{tool(), "-t", "nat"};
    command.insert(command.end(), words.begin(), words.end());
    must_run(command);
  }
  firewall_->unpublish(kFirst);
  EXPECT_THAT(rules(), Not(HasSubstr(chain)));
}

TEST_P(FirewallIptablesTest, TwentyProcessesAtOnceBesideIptablesLoseNothing) {
  firewall_->publish({"n1", "base", "eth0"}, publication(7999, "10.9.0.250/24"));
  const std::string before = rules();
  std::vector<pid_t> children;
  for (int number = 0; number < 20; ++number) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const Owner owner{"n1", "p" + std::to_string(number), "eth0"};
      const auto ports = publication(static_cast<uint16_t>(8000 + number));
      try {
        for (int round = 0; round < 10; ++round) {
          firewall_->publish(owner, ports);
          firewall_->check_published(owner, ports);
          firewall_->unpublish(owner);
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
    must_run({tool(), "-w", "-t", "nat", "-N", "BESIDE"});
    must_run({tool(), "-w", "-t", "nat", "-X", "BESIDE"});
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(child, ::waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }
  for (int number = 0; number < 20; ++number) {
    const Owner owner{"n1", "p" + std::to_string(number), "eth0"};
    EXPECT_NO_THROW(firewall_->check_published(owner, publication(static_cast<uint16_t>(8000 + number))));
    firewall_->unpublish(owner);
  }
  EXPECT_EQ(before, rules());
}

}  // namespace
}  // namespace berth::test
