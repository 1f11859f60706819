// nf_tables over netlink: batches that apply as a whole or not at all, lookups, generations; beside nft.

#include <netinet/in.h>
// The kernel's header steps back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <gmock/gmock.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "firewall/iptables/nft_table.h"
#include "firewall/netfilter/change.h"
#include "firewall/netfilter/conversation.h"
#include "firewall/netfilter/expressions.h"
#include "firewall/netfilter/tables.h"
#include "support/orphans.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

namespace expr = firewall::netfilter::expr;
using firewall::netfilter::Batch;
using firewall::netfilter::BatchError;
using firewall::netfilter::Bytes;
using firewall::netfilter::Change;
using firewall::netfilter::comment_of;
using firewall::netfilter::concatenated;
using firewall::netfilter::make_comment;
using firewall::netfilter::Session;
using firewall::netfilter::SetShape;
using firewall::netfilter::TableName;
using firewall::netfilter::Tables;

const TableName kTable{NFPROTO_INET, "ours"};
constexpr SetShape kAddresses{firewall::netfilter::kTypeIpv4, 4};

class NetfilterTablesTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (system_program("nft").empty()) GTEST_SKIP() << "nftables is not installed";
    Batch batch;
    Change change(batch, kTable);
    change.create_table("made by a test");
    change.create_set("addresses", kAddresses);
    change.create_chain("web");
    ASSERT_TRUE(Tables().commit(batch));
  }

  static std::string listing() { return must_run({"nft", "list", "table", "inet", "ours"}); }
};

TEST_F(NetfilterTablesTest, NftShowsWhatABatchMade) {
  Batch batch;
  Change change(batch, kTable);
  change.add_element("addresses", {{10, 1, 0, 2}, {}, make_comment("web/c1/eth0")});
  change.append_rule("web", [](net::Message& rule) {
    expr::load_meta(rule, NFT_META_NFPROTO, expr::kRegister1);
    expr::compare(rule, expr::kRegister1, NFT_CMP_EQ, {NFPROTO_IPV4});
    expr::load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, expr::kRegister1);
    expr::lookup(rule, "addresses", expr::kRegister1);
    expr::verdict(rule, NF_DROP);
  });
  ASSERT_TRUE(Tables().commit(batch));
  EXPECT_NE(listing().find("ip saddr @addresses drop"), std::string::npos) << listing();
  EXPECT_NE(listing().find("10.1.0.2 comment \"web/c1/eth0\""), std::string::npos) << listing();
}

/// iptables-nft writes IPv4's protocol as one or the other, depending on its version.
TEST_F(NetfilterTablesTest, AProtocolIsReadFromTheHeaderOfIpv4AndFromThePacketsProperties) {
  must_run({"nft",
            "add table ip nat; add chain ip nat X; add rule ip nat X ip protocol tcp return; "
            "add rule ip nat X meta l4proto tcp return; add rule ip nat X ip protocol != udp return; "
            "add rule ip nat X ip ttl 6 return"});
  const auto rules = firewall::iptables::read_nft_table(net::Family::kIpv4, "nat")->rules("X");
  ASSERT_EQ(4u, rules.size());
  EXPECT_EQ(IPPROTO_TCP, rules[0].protocol);
  EXPECT_FALSE(rules[0].protocol_inverted);
  EXPECT_THAT(rules[0].matches, ::testing::IsEmpty());
  EXPECT_EQ(rules[0], rules[1]);
  EXPECT_EQ(IPPROTO_UDP, rules[2].protocol);
  EXPECT_TRUE(rules[2].protocol_inverted);
  EXPECT_THAT(rules[2].matches, ::testing::IsEmpty());
  EXPECT_EQ(0, rules[3].protocol);
  EXPECT_THAT(rules[3].matches, ::testing::SizeIs(1));  // not understood
}

TEST_F(NetfilterTablesTest, ABatchWithAFailingStepChangesNothingAndNamesTheStep) {
  Tables tables;
  Batch first;
  Change(first, kTable).add_element("addresses", {{10, 1, 0, 2}, {}, {}});
  ASSERT_TRUE(tables.commit(first));
  const std::string before = listing();
  Batch second;
  Change change(second, kTable);
  change.add_element("addresses", {{10, 1, 0, 3}, {}, {}});
  change.add_element("addresses", {{10, 1, 0, 2}, {}, {}});
  try {
    tables.commit(second);
    FAIL() << "a key was added twice";
  } catch (const BatchError& error) {
    EXPECT_EQ(error.code(), EEXIST);
    EXPECT_EQ(error.step(), 1U);
    EXPECT_STREQ(error.what(), "add an element to set addresses (nf_tables table ours): file exists");
  }
  EXPECT_EQ(listing(), before);
}

TEST_F(NetfilterTablesTest, AnElementIsFoundByItsKeyWithoutListingTheSet) {
  Tables tables;
  Batch batch;
  Change(batch, kTable).add_element("addresses", {{10, 1, 0, 2}, {}, make_comment("web/c1/eth0")});
  ASSERT_TRUE(tables.commit(batch));
  const auto found = tables.element(kTable, "addresses", {10, 1, 0, 2});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(comment_of(found->userdata), "web/c1/eth0");
  EXPECT_FALSE(tables.element(kTable, "addresses", {10, 1, 0, 3}).has_value());
  EXPECT_FALSE(tables.element(kTable, "elsewhere", {10, 1, 0, 2}).has_value());
}

TEST_F(NetfilterTablesTest, AChangeOfSomebodyElseMakesAGenerationStale) {
  Tables tables;
  const uint32_t generation = tables.generation();
  must_run({"nft", "add", "table", "ip", "foreign"});
  Batch batch;
  Change(batch, kTable).add_element("addresses", {{10, 1, 0, 2}, {}, {}});
  EXPECT_FALSE(tables.commit(batch, generation));
  EXPECT_TRUE(tables.commit(batch, tables.generation()));
}

TEST_F(NetfilterTablesTest, TablesAndSetsThatAreNotThereAreEmpty) {
  Tables tables;
  EXPECT_TRUE(tables.has_table(kTable));
  EXPECT_FALSE(tables.has_table({NFPROTO_INET, "theirs"}));
  EXPECT_TRUE(tables.has_set(kTable, "addresses"));
  EXPECT_FALSE(tables.has_set(kTable, "ports"));
  EXPECT_TRUE(tables.elements(kTable, "ports").empty());
  EXPECT_TRUE(tables.sets({NFPROTO_INET, "theirs"}).empty());
  EXPECT_TRUE(tables.rules({NFPROTO_INET, "theirs"}).empty());
}

TEST_F(NetfilterTablesTest, ABatchOfThousandsOfChangesIsOneChange) {
  Tables tables;
  Batch batch;
  Change change(batch, kTable);
  for (unsigned i = 0; i < 5000; ++i) {
    change.add_element("addresses", {{10, 2, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}, {}, {}});
  }
  ASSERT_TRUE(tables.commit(batch));
  EXPECT_EQ(tables.elements(kTable, "addresses").size(), 5000U);
}

TEST_F(NetfilterTablesTest, ASessionAsksEverythingThroughOneSocket) {
  const Session session;
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  Tables().generation();
  const auto before = open_files();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Tables().has_table(kTable));
  EXPECT_EQ(open_files(), before);
  EXPECT_TRUE(Tables::any_element(kTable, "addresses", [](const auto&) { return true; }) ||
              Tables().elements(kTable, "addresses").empty());
}

TEST_F(NetfilterTablesTest, TheSocketsOfASessionAreHeldByAChildThatHoldsNothingElse) {
  ASSERT_EQ(living_orphans(), std::vector<std::string>()) << "of the test before";
  std::array<int, 2> ends{};
  base::check(::pipe(ends.data()), "make a pipe");
  const base::Fd reader(ends[0]);
  base::Fd writer(ends[1]);
  {
    const Session session;
    Batch batch;
    Change(batch, kTable).delete_table();
    ASSERT_TRUE(Tables().commit(batch));
  }
  EXPECT_THAT(children(), ::testing::SizeIs(1));
  writer.reset();
  pollfd waiting{reader.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 100), 1) << "whoever waits for the end of our output would wait for the child";
  EXPECT_EQ(living_orphans(), std::vector<std::string>()) << "it ends by itself";
}

TEST_F(NetfilterTablesTest, DeletingTheTableDeletesAllOfIt) {
  Tables tables;
  Batch batch;
  Change(batch, kTable).delete_table();
  ASSERT_TRUE(tables.commit(batch));
  EXPECT_FALSE(tables.has_table(kTable));
}

}  // namespace
}  // namespace berth::test
