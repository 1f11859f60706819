// Names, comments, conditions and bytes of iptables rules, without a kernel.

#include <gmock/gmock.h>
#include <netinet/in.h>

#include "firewall/iptables/conditions.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"
#include "firewall/iptables/publication.h"

namespace berth::firewall::iptables {
namespace {

using net::Family;
using net::IpAddress;
using net::IpNet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string refusal(const std::vector<std::string>& tokens) {
  Rule rule(Family::kIpv4);
  try {
    add_conditions(rule, tokens, "conditionsV4");
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(FirewallNames, AreThoseOfTheReferencePlugins) {
  const Owner owner{"n1", "ctr1", "eth0"};
  EXPECT_EQ("CNI-c189d8b6a7b4d184c9f70d4a", shared_chain(kMasqueradePrefix, owner));
  EXPECT_EQ("CNI-DN-c189d8b6a7b4d184c9f70", shared_chain(kPublishPrefix, owner));
  EXPECT_EQ(R"(name: "n1" id: "ctr1")", owner_comment(owner, false));
  EXPECT_EQ(R"(dnat name: "n1" id: "ctr1")", publish_comment(owner, false));
}

TEST(FirewallNames, AnOwnChainDependsOnTheInterface) {
  EXPECT_NE(own_chain(kPublishPrefix, {"n", "c", "eth0"}), own_chain(kPublishPrefix, {"n", "c", "eth1"}));
  EXPECT_EQ(28U, own_chain(kPublishPrefix, {"n", "c", "eth0"}).size());
  EXPECT_NE(ifname_mark("eth0"), ifname_mark("eth1"));
}

TEST(FirewallNames, CommentsAreReadBack) {
  const Owner owner{"n1", "ctr1", "eth1"};
  EXPECT_EQ(owner, parse_comment(owner_comment(owner, true)));
  EXPECT_EQ((Owner{"n1", "ctr1", ""}), parse_comment(publish_comment(owner, false)));
  EXPECT_EQ((Owner{"a\"b", "c\\d", ""}), parse_comment(owner_comment({"a\"b", "c\\d", ""}, false)));
  for (const char* text : {"", "name: \"n1\"", "name: \"n1\" id: \"c", "name: \"n1\" id: \"c\" and more", "mine"}) {
    EXPECT_FALSE(parse_comment(text)) << text;
  }
}

TEST(FirewallMatches, ACommentHoldsAtMost255Bytes) {
  Rule rule(Family::kIpv4);
  rule.matches = {comment(std::string(255, 'x'))};
  EXPECT_EQ(std::string(255, 'x'), comment_of(rule));
  rule.matches = {comment(std::string(256, 'x'))};
  EXPECT_EQ(std::string(252, 'x') + "...", comment_of(rule));
}

TEST(FirewallMatches, PortsAreReadBack) {
  for (const uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP}) {
    Rule rule(Family::kIpv6);
    rule.matches = {destination_port(protocol, 8080)};
    EXPECT_EQ(8080, destination_port_of(rule));
  }
  Rule rule(Family::kIpv4);
  rule.matches = {destination_ports({80, 443})};
  EXPECT_THAT(destination_ports_of(rule), ElementsAre(80, 443));
}

TEST(FirewallRules, SurviveTheirBytesInBothFamilies) {
  for (const char* prefix : {"10.1.2.0/23", "fd00::/65"}) {
    Rule rule(IpNet::parse(prefix).address.family());
    rule.source = {IpNet::parse(prefix), true};
    rule.destination.net = IpNet::host(IpNet::parse(prefix).address);
    rule.in = {"eth+", true};
    rule.out = {"br0", false};
    rule.protocol = IPPROTO_TCP;
    rule.matches = {comment("why"), destination_port(IPPROTO_TCP, 80)};
    rule.target = dnat(IpNet::parse(prefix).address, 8080);
    rule.mark = 7;
    const auto bytes = encode(rule);
    const Rule back = decode(rule.family(), bytes.data(), "DNAT", false);
    EXPECT_EQ(rule, back);
    EXPECT_EQ(7U, back.mark);
    EXPECT_EQ(IpNet::parse(prefix).address, dnat_address(rule.family(), back.target));
  }
}

TEST(FirewallConditions, BecomePartsOfTheRule) {
  Rule rule(Family::kIpv4);
  add_conditions(rule, {"!",  "-s",       "10.0.0.0/8", "-i",      "eth0",      "-m",         "mark",
                        "!",  "--mark",   "0x10/0xff",  "-m",      "conntrack", "--ctstate",  "NEW,RELATED",
                        "-m", "addrtype", "--src-type", "UNICAST", "!",         "--dst-type", "LOCAL"},
                 "conditionsV4");
  EXPECT_EQ((AddressMatch{IpNet::parse("10.0.0.0/8"), true}), rule.source);
  EXPECT_EQ((InterfaceMatch{"eth0", false}), rule.in);
  ASSERT_THAT(rule.matches, SizeIs(3));
  EXPECT_EQ(packet_mark(0x10, 0xff, true), rule.matches[0]);
  EXPECT_EQ("conntrack", rule.matches[1].name);
  EXPECT_EQ("addrtype", rule.matches[2].name);
}

TEST(FirewallConditions, ARefusalNamesTheTokenAndTheKey) {
  EXPECT_THAT(refusal({"-m", "recent", "--set"}), AllOf(HasSubstr("\"recent\""), HasSubstr("conditionsV4")));
  EXPECT_THAT(refusal({"-j", "ACCEPT"}), HasSubstr("\"-j\""));
  EXPECT_THAT(refusal({"ip", "saddr", "10.0.0.1"}), HasSubstr("\"ip\""));
  EXPECT_THAT(refusal({"-s"}), HasSubstr("\"-s\""));
  EXPECT_THAT(refusal({"-s", "fd00::/8"}), HasSubstr("other family"));
  EXPECT_THAT(refusal({"-s", "10.0.0.300"}), HasSubstr("10.0.0.300"));
  EXPECT_THAT(refusal({"-m", "mark", "--mark", "12x"}), HasSubstr("\"12x\""));
  EXPECT_THAT(refusal({"-m", "mark"}), HasSubstr("without its options"));
  EXPECT_THAT(refusal({"!"}), HasSubstr("\"!\""));
}

TEST(FirewallPublication, TwentyPortsTakeTwoEntries) {
  Publication publication;
  publication.container_v4 = IpNet::parse("10.0.0.2/24");
  for (uint16_t port = 1; port <= 20; ++port) publication.ports.push_back({port, port, "tcp", std::nullopt});
  const auto entries = entry_rules({"n", "c", "eth0"}, publication, Family::kIpv4, "CNI-DN-x", true);
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_THAT(destination_ports_of(entries[0]), SizeIs(15));
  EXPECT_THAT(destination_ports_of(entries[1]), ElementsAre(16, 17, 18, 19, 20));
}

TEST(FirewallPublication, AFamilyThatNoPortConcernsIsLeftAlone) {
  Publication publication;
  publication.container_v4 = IpNet::parse("10.0.0.2/24");
  publication.container_v6 = IpNet::parse("fd00::2/64");
  publication.ports = {{80, 80, "tcp", IpAddress::parse("10.1.1.1")}};
  EXPECT_THAT(families_of(publication), ElementsAre(Family::kIpv4));
}

TEST(Firewall, UnknownBackendsAreRefusedByName) {
  EXPECT_THROW(make("ebpf"), std::invalid_argument);
  EXPECT_THAT(why_unusable("ebpf"), HasSubstr("\"ebpf\""));
}

}  // namespace
}  // namespace berth::firewall::iptables
