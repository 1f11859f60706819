// Tables of the kernel's legacy interface, with iptables-legacy as the one who makes them and as the witness.

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <sstream>

#include "base/error.h"
#include "base/fd.h"
#include "firewall/iptables/legacy/kernel_table.h"
#include "firewall/iptables/legacy/ruleset.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/table.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using namespace firewall::iptables;
using net::Family;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// What iptables can say, with counters. SELF is an address.
const char* const kForeign = R"(*filter
:INPUT DROP [5:500]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [7:700]
:A-CHAIN - [0:0]
:EMPTY - [0:0]
:z-last - [0:0]
[1:11] -A INPUT -i lo -j ACCEPT
[2:22] -A INPUT -p tcp -m multiport --dports 22,80,1000:2000 -j A-CHAIN
[3:33] -A INPUT -m u32 --u32 "0x0&0xff=0x1:0x20" -g z-last
[4:44] -A INPUT -m comment --comment "falls through"
[4:45] -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[5:55] -A A-CHAIN -m limit --limit 5/min -j LOG --log-prefix "hello " --log-level 4
[6:66] -A A-CHAIN -m hashlimit --hashlimit-upto 5/sec --hashlimit-name abc --hashlimit-mode srcip -j RETURN
[7:77] -A A-CHAIN -m recent --set --name x -j NFQUEUE --queue-num 3
[7:78] -A A-CHAIN -m string --string abc --algo bm -j DROP
[8:88] -A A-CHAIN ! -s SELF -o eth+ -j z-last
[9:99] -A z-last -m statistic --mode random --probability 0.5 -j REJECT
[9:100] -A z-last -p udp -m udp --dport 53 -m mark --mark 0x1/0xf -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [1:2]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [3:4]
:CNI-HOSTPORT-DNAT - [0:0]
:DNAT-LIKE - [0:0]
[11:12] -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
[13:14] -A POSTROUTING ! -o lo -j MASQUERADE
[15:16] -A CNI-HOSTPORT-DNAT -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 81
[17:18] -A DNAT-LIKE -j RETURN
COMMIT
)";

class LegacyTableTest : public Sandbox, public ::testing::WithParamInterface<Family> {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (system_program("iptables-legacy").empty()) GTEST_SKIP() << "iptables-legacy is not installed";
    const auto asked = run({tool(), "-S"});
    if (!asked.ok()) GTEST_SKIP() << "this kernel has no legacy tables: " << asked.error;
  }

  static std::string tool(const std::string& suffix = "") {
    return std::string(GetParam() == Family::kIpv4 ? "iptables" : "ip6tables") + "-legacy" + suffix;
  }

  /// Gives the kernel these rules and counters; false if it lacks something.
  static bool restore(std::string rules) {
    const std::string self = GetParam() == Family::kIpv4 ? "10.0.0.0/8" : "fd00::/8";
    if (const size_t place = rules.find("SELF"); place != std::string::npos) rules.replace(place, 4, self);
    RunOptions options;
    options.input = std::move(rules);
    return run({tool("-restore"), "-c"}, options).ok();
  }

  /// Rules and chains with counters, without dates.
  static std::vector<std::string> saved(const std::string& table) {
    std::vector<std::string> kept;
    std::istringstream lines(must_run({tool("-save"), "-c", "-t", table}));
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("#")) kept.push_back(line);
    }
    return kept;
  }

  static std::unique_ptr<Table> read(const char* table) { return Table::read(GetParam(), {Flavour::kLegacy, table}); }

  static Rule jump(const std::string& target) {
    Rule rule(GetParam());
    rule.target.name = target;
    return rule;
  }

  /// UDP packets over the loopback device.
  static void send_packets(int count) {
    const bool v4 = GetParam() == Family::kIpv4;
    const base::Fd fd(base::check(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "make a socket"));
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    sockaddr_in6 to6{.sin6_family = AF_INET6,
                     .sin6_port = htons(9),
                     .sin6_flowinfo = 0,
                     .sin6_addr = in6addr_loopback,
                     .sin6_scope_id = 0};
    const auto* address = v4 ? reinterpret_cast<const sockaddr*>(&to) : reinterpret_cast<const sockaddr*>(&to6);
    for (int i = 0; i < count; ++i) {
      base::check(::sendto(fd.get(), "x", 1, 0, address, v4 ? sizeof to : sizeof to6), "send a packet");
    }
  }

  static std::string failure(const std::function<void()>& action) {
    try {
      action();
    } catch (const std::exception& error) {
      return error.what();
    }
    return "done";
  }
};

INSTANTIATE_TEST_SUITE_P(Of, LegacyTableTest, ::testing::Values(Family::kIpv4, Family::kIpv6),
                         [](const auto& each) { return each.param == Family::kIpv4 ? "Ipv4" : "Ipv6"; });

TEST_P(LegacyTableTest, ATableOfIptablesIsTakenApartAndPutTogetherUnchanged) {
  if (!restore(kForeign)) GTEST_SKIP() << "this kernel lacks some matches or targets of iptables";
  for (const char* name : {"filter", "nat", "mangle", "raw"}) {
    const auto& layout = legacy::layout_of(GetParam());
    const legacy::KernelTable kernel(layout, name);
    const legacy::Blob blob = kernel.read();
    legacy::Ruleset ruleset = legacy::decode(layout, blob, kernel.description());
    EXPECT_EQ(blob, legacy::encode(layout, ruleset).blob) << name;
  }
}

TEST_P(LegacyTableTest, WhatOthersMadeIsKeptWithItsCounters) {
  if (!restore(kForeign)) GTEST_SKIP() << "this kernel lacks some matches or targets of iptables";
  for (const char* name : {"filter", "nat"}) {
    const auto before = saved(name);
    auto table = read(name);
    for (const char* chain : {"M-CHAIN", "AAA", "zzz"}) {  // so that every chain moves
      table->create_chain(chain);
      table->append(chain, jump("RETURN"));
      table->insert_first("OUTPUT", jump(chain));
    }
    ASSERT_TRUE(table->commit());
    EXPECT_THAT(saved(name), Not(before));
    table = read(name);
    for (const char* chain : {"M-CHAIN", "AAA", "zzz"}) {
      table->erase("OUTPUT", 0);
      table->flush_chain(chain);
    }
    for (const char* chain : {"M-CHAIN", "AAA", "zzz"}) table->delete_chain(chain);
    ASSERT_TRUE(table->commit());
    EXPECT_EQ(before, saved(name));
  }
}

TEST_P(LegacyTableTest, TargetsAreToldFromChains) {
  if (!restore(kForeign)) GTEST_SKIP() << "this kernel lacks some matches or targets of iptables";
  const auto targets = [](const char* name, const std::string& chain) {
    std::vector<std::string> names;
    for (const auto& rule : read(name)->rules(chain)) names.push_back(rule.target.name);
    return names;
  };
  EXPECT_THAT(targets("filter", "INPUT"), ElementsAre("ACCEPT", "A-CHAIN", "z-last", "", "ACCEPT"));
  EXPECT_THAT(targets("filter", "A-CHAIN"), ElementsAre("LOG", "RETURN", "NFQUEUE", "DROP", "z-last"));
  EXPECT_THAT(targets("nat", "POSTROUTING"), ElementsAre("MASQUERADE"));
  const auto table = read("filter");
  EXPECT_EQ(2U, table->references("z-last"));
  EXPECT_EQ(0U, table->references("EMPTY"));
  EXPECT_THAT(table->chains(), ElementsAre("INPUT", "FORWARD", "OUTPUT", "A-CHAIN", "EMPTY", "z-last"));
}

TEST_P(LegacyTableTest, AModuleNamedLikeAChainIsNoJump) {
  ASSERT_TRUE(restore("*filter\n:LOG-IT - [0:0]\nCOMMIT\n"));
  auto table = read("filter");
  table->create_chain("MARK");
  Rule rule = jump("MARK");
  table->append("LOG-IT", rule);
  rule.target = set_mark(1, 1);
  table->append("LOG-IT", rule);
  EXPECT_EQ(1U, table->references("MARK"));
  const auto rules = table->rules("LOG-IT");
  EXPECT_TRUE(rules.at(0).target.data.empty());
  EXPECT_EQ(set_mark(1, 1), rules.at(1).target);
}

TEST_P(LegacyTableTest, ChainsThatAreUsedAreNotDeleted) {
  ASSERT_TRUE(restore("*filter\n:USED - [0:0]\n:FULL - [0:0]\n[0:0] -A FULL -j USED\nCOMMIT\n"));
  const auto before = saved("filter");
  const auto table = read("filter");
  const std::string name = table->description();
  const auto refused = [&](const std::string& chain) { return failure([&] { table->delete_chain(chain); }); };
  EXPECT_EQ(name + ": delete chain USED: device or resource busy (rules jump to it)", refused("USED"));
  EXPECT_EQ(name + ": delete chain FULL: directory not empty (it has rules)", refused("FULL"));
  EXPECT_EQ(name + ": delete chain INPUT: invalid argument (a built-in chain stays)", refused("INPUT"));
  EXPECT_EQ(name + ": delete chain NONE: no such file or directory (no such chain)", refused("NONE"));
  EXPECT_FALSE(table->changed());
  EXPECT_TRUE(table->commit());
  EXPECT_EQ(before, saved("filter"));
  table->flush_chain("FULL");
  EXPECT_EQ("done", refused("USED"));
}

TEST_P(LegacyTableTest, WhatCannotBeMadeIsRefused) {
  const auto table = read("filter");
  const auto created = [&](const std::string& chain) { return failure([&] { table->create_chain(chain); }); };
  EXPECT_EQ("done", created(std::string(28, 'x')));
  EXPECT_THAT(created(std::string(29, 'x')), HasSubstr("too long"));
  EXPECT_THAT(created("INPUT"), HasSubstr("create chain INPUT: file exists"));
  EXPECT_THAT(created("ACCEPT"), HasSubstr("no name for a chain"));
  EXPECT_THAT(created(""), HasSubstr("no name for a chain"));
  const auto appended = [&](const std::string& target) {
    return failure([&] { table->append("INPUT", jump(target)); });
  };
  EXPECT_THAT(appended("NONE"), HasSubstr("has no chain \"NONE\""));
  EXPECT_THAT(appended("OUTPUT"), HasSubstr("has no chain \"OUTPUT\""));
  EXPECT_THAT(failure([&] { table->append("NONE", jump("ACCEPT")); }), HasSubstr("append a rule to NONE"));
  EXPECT_THAT(failure([&] { table->erase("INPUT", 0); }), HasSubstr("it has only 0"));
  EXPECT_TRUE(table->commit());
  EXPECT_THAT(failure([] { read("no-such"); }),
              HasSubstr("table no-such: no such file or directory (the kernel lacks"));
}

TEST_P(LegacyTableTest, ChainsThatJumpInACircleAreRefusedByTheKernel) {
  const auto before = saved("filter");
  const auto table = read("filter");
  table->create_chain("ROUND");
  table->append("ROUND", jump("ROUND"));
  table->append("INPUT", jump("ROUND"));
  EXPECT_THAT(failure([&] { table->commit(); }),
              HasSubstr("change the legacy " + table->description() + ": too many levels of symbolic links"));
  EXPECT_EQ(before, saved("filter"));
}

TEST_P(LegacyTableTest, ATableThatSomebodyChangedMeanwhileIsNotReplaced) {
  const auto table = read("filter");
  must_run({tool(), "-A", "INPUT", "-j", "DROP"});
  const auto before = saved("filter");
  table->append("INPUT", jump("ACCEPT"));
  EXPECT_FALSE(table->commit());
  EXPECT_TRUE(table->changed());
  EXPECT_EQ(before, saved("filter"));
}

TEST_P(LegacyTableTest, CountersGoOnWhileTheTableIsChanged) {
  must_run({tool(), "-A", "INPUT", "-p", "udp", "-j", "DROP"});
  send_packets(3);
  const auto table = read("filter");
  send_packets(4);  // after the snapshot
  table->insert_first("INPUT", jump("RETURN"));
  table->erase("INPUT", 0);
  table->create_chain("NEW");
  ASSERT_TRUE(table->commit());
  EXPECT_THAT(saved("filter"), Contains(AllOf(HasSubstr("[7:"), HasSubstr("-A INPUT -p udp -j DROP"))));
}

TEST_P(LegacyTableTest, ThousandsOfRulesAreReadAndChangedQuickly) {
  constexpr int kRules = 5000;
  std::string rules = "*nat\n:CNI-HOSTPORT-DNAT - [0:0]\n";
  for (int i = 0; i < kRules; ++i) rules += ":CNI-DN-" + std::to_string(i) + " - [0:0]\n";
  for (int i = 0; i < kRules; ++i) rules += "[1:1] -A CNI-HOSTPORT-DNAT -j CNI-DN-" + std::to_string(i) + "\n";
  ASSERT_TRUE(restore(rules + "COMMIT\n"));
  const auto before = saved("nat");

  const auto start = std::chrono::steady_clock::now();
  auto table = read("nat");
  const auto found = table->rules("CNI-HOSTPORT-DNAT", [](const std::string& name) { return name == "CNI-DN-4999"; });
  ASSERT_EQ(1U, found.size());
  EXPECT_EQ(4999U, found.front().number);
  EXPECT_EQ(1U, table->references("CNI-DN-77"));
  table->create_chain("CNI-DN-4321-NEW");
  ASSERT_TRUE(table->commit());
  table = read("nat");
  table->delete_chain("CNI-DN-4321-NEW");
  ASSERT_TRUE(table->commit());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_EQ(before, saved("nat"));
}

}  // namespace
}  // namespace berth::test
