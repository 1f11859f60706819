// The ptp plugin, run as a runtime runs it, with host-local; what it did is read back from the kernel, and used.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "net/sysctl.h"
#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpAddress;
using net::Netlink;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kConfigError = 7;

class PtpTest : public PluginTest {
 protected:
  PtpTest() : PluginTest("ptp") {}

  void use_dual_stack() {
    config_["ipam"]["ranges"] = Json::parse(R"([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]])");
    config_["ipam"]["routes"] = Json::parse(R"([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])");
  }

  /// An IPAM plugin that leaves everything to the test.
  void use_ipam_that_answers(const std::string& result) {
    config_["ipam"] = {{"type", "canned"}};
    write("plugins/canned", "#!/bin/sh\n[ \"$CNI_COMMAND\" != ADD ] || printf '%s' '" + result + "'\n");
    must_run({"chmod", "+x", scratch() + "/plugins/canned"});
  }
  Environment with_canned_ipam() const { return {{"CNI_PATH", scratch() + "/plugins"}}; }

  /// From the host.
  static bool answers_ping(const char* address) {
    return run({system_program("busybox"), "ping", "-c", "1", "-W", "2", address}).ok();
  }

  /// The host's end of the attachment under test.
  net::Link host_end() const { return Netlink::here().link(eth0().parent); }
  std::string host_routes(const char* family = "-4") const {
    return must_run({"ip", family, "route", "show", "dev", host_end().name});
  }
  static std::string routes_inside(const char* family = "-4") {
    return must_run({"ip", "-n", "box", family, "route", "show", "dev", "eth0"});
  }
  static std::string masquerade_rules() { return must_run({"iptables-legacy", "-t", "nat", "-S"}); }
};

TEST_F(PtpTest, AnAttachmentIsDescribedAsTheReferenceDescribesIt) {
  config_["cniVersion"] = "1.0.0";
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 2U);
  EXPECT_EQ(result["interfaces"][0], (Json{{"name", host_end().name}, {"mac", host_end().mac.to_string()}}));
  EXPECT_EQ(result["interfaces"][1],
            (Json{{"name", "eth0"}, {"mac", eth0().mac.to_string()}, {"sandbox", "/run/netns/box"}}));
  EXPECT_EQ(result["ips"], Json::parse(R"([{"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"}])"));
  EXPECT_EQ(result["routes"], Json::parse(R"([{"dst": "0.0.0.0/0"}])"));
  EXPECT_TRUE(host_end().name.starts_with("veth"));
}

TEST_F(PtpTest, TheContainerReachesTheHostAndTheHostTheContainer) {
  add();
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  EXPECT_TRUE(answers_ping("10.1.0.2"));
  EXPECT_EQ(net::sysctl::read("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(net::sysctl::read("net/ipv6/conf/" + host_end().name + "/accept_ra"), "0");
  expect_ok("CHECK");
}

TEST_F(PtpTest, TheSubnetIsBehindTheGatewayInsteadOfOnTheLink) {
  add();
  const auto inside = routes_inside();
  EXPECT_THAT(inside, HasSubstr("10.1.0.1 scope link src 10.1.0.2"));
  EXPECT_THAT(inside, HasSubstr("10.1.0.0/24 via 10.1.0.1 src 10.1.0.2"));
  EXPECT_THAT(inside, HasSubstr("default via 10.1.0.1"));
  EXPECT_THAT(inside, Not(HasSubstr("10.1.0.0/24 proto kernel")));
  EXPECT_THAT(host_routes(), AllOf(HasSubstr("10.1.0.2 scope host"), Not(HasSubstr("10.1.0.0/24"))));
  EXPECT_THAT(must_run({"ip", "-4", "address", "show", "dev", host_end().name}), HasSubstr("inet 10.1.0.1/32"));
}

TEST_F(PtpTest, ContainersOfOneSubnetReachEachOtherThroughTheHost) {
  add();
  NamedNetNs sibling("sibling");
  config_.erase("prevResult");
  add(attachment("sibling", sibling.path()));
  EXPECT_TRUE(ping("sibling", "10.1.0.2"));
  EXPECT_TRUE(ping("box", "10.1.0.3"));
}

TEST_F(PtpTest, Ipv6WorksAtOnceWithoutDuplicateDetection) {
  use_dual_stack();
  const auto result = add();
  EXPECT_EQ(result["ips"][1]["address"], "fd01::2/64");
  EXPECT_THAT(must_run({"ip", "-n", "box", "-6", "address", "show", "dev", "eth0", "scope", "global"}),
              AllOf(HasSubstr("fd01::2/64"), HasSubstr("nodad"), Not(HasSubstr("tentative"))));
  EXPECT_TRUE(ping("box", "fd01::1"));
  EXPECT_THAT(routes_inside("-6"), AllOf(HasSubstr("fd01::1 "), HasSubstr("fd01::/64 via fd01::1 src fd01::2"),
                                         HasSubstr("default via fd01::1")));
  EXPECT_THAT(routes_inside("-6"), Not(HasSubstr("fd01::/64 proto kernel")));
  EXPECT_THAT(host_routes("-6"), HasSubstr("fd01::2 "));
  EXPECT_EQ(net::sysctl::read("net/ipv6/conf/all/forwarding"), "1");
  expect_ok("CHECK");
}

TEST_F(PtpTest, Ipv6IsSwitchedOnWhereItIsOff) {
  use_dual_stack();
  net::sysctl::write("net/ipv6/conf/default/disable_ipv6", "1");
  netns().within([] { net::sysctl::write("net/ipv6/conf/default/disable_ipv6", "1"); });
  add();
  EXPECT_TRUE(ping("box", "fd01::1"));
}

TEST_F(PtpTest, SeveralAddressesOfOneSubnetShareItsGateway) {
  config_["ipam"] = Json::parse(R"({"type": "static", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}], "addresses": [
    {"address": "10.1.0.2/24", "gateway": "10.1.0.1"}, {"address": "10.1.0.3/24", "gateway": "10.1.0.1"},
    {"address": "fd01::2/64", "gateway": "fd01::1"}, {"address": "fd01::3/64", "gateway": "fd01::1"}]})");
  add();
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  EXPECT_TRUE(answers_ping("10.1.0.3"));
  EXPECT_THAT(routes_inside(), Not(HasSubstr("proto kernel")));
  expect_ok("CHECK");
}

TEST_F(PtpTest, AGatewayOutsideOfTheAddressesSubnetIsReached) {
  config_["ipam"] = Json::parse(R"({"type": "static", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}], "addresses": [
    {"address": "10.1.0.2/32", "gateway": "169.254.1.1"}, {"address": "fd01::2/128", "gateway": "fe80::1"}]})");
  add();
  EXPECT_TRUE(ping("box", "169.254.1.1"));
  EXPECT_THAT(routes_inside(), HasSubstr("default via 169.254.1.1"));
  EXPECT_THAT(routes_inside("-6"), HasSubstr("default via fe80::1"));
  expect_ok("CHECK");
}

TEST_F(PtpTest, ARouteOfIpamThroughANeighbourInTheSubnetIsTaken) {
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "10.1.0.9"}])");
  add();
  EXPECT_THAT(routes_inside(), HasSubstr("192.0.2.0/24 via 10.1.0.9"));
  expect_ok("CHECK");
}

TEST_F(PtpTest, TheMtuIsThatOfBothEnds) {
  config_["mtu"] = 1400;
  const auto result = add();
  EXPECT_EQ(eth0().mtu, 1400U);
  EXPECT_EQ(host_end().mtu, 1400U);
  EXPECT_EQ(result["interfaces"][1]["mtu"], 1400);
}

TEST_F(PtpTest, DnsOfTheConfigurationReplacesIpams) {
  config_["ipam"]["resolvConf"] = write("resolv.conf", "nameserver 192.0.2.53\n");
  EXPECT_EQ(add()["dns"], Json::parse(R"({"nameservers": ["192.0.2.53"]})"));
  expect_ok("DEL");
  config_["dns"] = Json::parse(R"({"nameservers": ["192.0.2.54"]})");
  EXPECT_EQ(add()["dns"], config_["dns"]);
}

TEST_F(PtpTest, EveryVersionOfTheResultCanBeHad) {
  use_dual_stack();
  for (const char* version : {"0.1.0", "0.2.0"}) {
    config_["cniVersion"] = version;
    const auto result = add();
    EXPECT_EQ(result["ip4"]["ip"], "10.1.0.2/24") << version;
    EXPECT_EQ(result["ip4"]["gateway"], "10.1.0.1") << version;
    EXPECT_EQ(result["ip6"]["ip"], "fd01::2/64") << version;
    expect_ok("DEL");
    config_["ipam"]["dataDir"] = scratch() + "/" + version;  // the same address again
  }
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    config_["cniVersion"] = version;
    config_["ipam"]["dataDir"] = scratch() + "/" + version;
    config_.erase("prevResult");
    const auto result = add();
    EXPECT_EQ(result["cniVersion"], version);
    EXPECT_EQ(result["ips"][1]["address"], "fd01::2/64") << version;
    EXPECT_EQ(result["interfaces"][1]["name"], "eth0") << version;
    EXPECT_EQ(result["interfaces"][1].contains("mtu"), std::string(version) == "1.1.0");
    expect_ok("DEL");
  }
}

TEST_F(PtpTest, TheVersionsAreThoseOfTheReference) {
  const auto answer = Json::parse(call("VERSION").output);
  EXPECT_EQ(answer["supportedVersions"], Json::parse(R"(["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"])"));
}

TEST_F(PtpTest, MistakesInTheConfigurationAreNamedAndChangeNothing) {
  struct Case {
    const char* keys;
    int code;
    const char* message;
  };
  const Case cases[] = {
      {R"({"mtu": -1})", kConfigError, "mtu"},
      {R"({"mtu": "1500"})", kConfigError, "\"1500\""},
      {R"({"ipMasq": "yes"})", kConfigError, "ipMasq"},
      {R"({"ipMasq": true, "ipMasqBackend": "pf"})", 2, "ipMasqBackend: \"pf\""},
      {R"({"ipam": {}})", kConfigError, "ipam.type is missing"},
      {R"({"ipam": {"type": "no-such-ipam"}})", kConfigError, "failed to find plugin \"no-such-ipam\""},
      {R"({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.2/24"}]}})", kConfigError,
       "no gateway for 10.1.0.2/24"},
      {R"({"ipam": {"type": "static", "addresses": []}})", 999, "missing IP config"},
      {R"({"dns": {"nameservers": "192.0.2.53"}})", kConfigError, "dns.nameservers"},
  };
  const auto plain = config_;
  for (const auto& wrong : cases) {
    SCOPED_TRACE(wrong.keys);
    config_ = plain;
    config_.update(Json::parse(wrong.keys));
    const auto object = failed_add();
    EXPECT_EQ(object["code"], wrong.code) << object;
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(wrong.message));
  }
}

TEST_F(PtpTest, EveryFailureLeavesTheHostAndTheContainerAsTheyWere) {
  config_["ipMasq"] = true;
  const auto plain = config_;
  config_["mtu"] = 20;
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("mtu 20"));
  EXPECT_THAT(leases(), IsEmpty());

  config_ = plain;
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("192.0.2.0/24 via 198.51.100.1"));
  EXPECT_THAT(leases(), IsEmpty());

  config_ = plain;
  inside().create_bridge("eth0", 0, false);
  auto object = failed_add();
  EXPECT_EQ(object["code"], 4);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("CNI_IFNAME=eth0 already exists"));
  EXPECT_THAT(leases(), IsEmpty());
  expect_ok("DEL");
  EXPECT_TRUE(has_eth0()) << "it is somebody else's";
  inside().delete_link("eth0");

  EXPECT_EQ(failed_add({{"CNI_NETNS", "/run/netns/gone"}})["code"], 8);
}

TEST_F(PtpTest, AnAddressThatTheKernelRefusesIsGivenBack) {
  use_ipam_that_answers(
      R"({"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"},
                                         {"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]})");
  EXPECT_THAT(failed_add(with_canned_ipam())["msg"].get<std::string>(), HasSubstr("add address 10.1.0.2/24"));
}

TEST_F(PtpTest, MasqueradingIsAddedCheckedAndRemovedWithoutTheNamespace) {
  use_legacy_iptables();
  config_["ipMasq"] = true;
  add();
  EXPECT_THAT(masquerade_rules(), AllOf(HasSubstr("10.1.0.2"), HasSubstr("MASQUERADE")));
  expect_ok("CHECK");
  box_->remove();
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_THAT(masquerade_rules(), Not(HasSubstr("10.1.0.2")));
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_F(PtpTest, WithoutMasqueradingNoRuleIsMade) {
  const auto before = masquerade_rules();
  add();
  EXPECT_EQ(masquerade_rules(), before);
}

TEST_F(PtpTest, DelLeavesNothingIsRepeatableAndNeedsNoNamespace) {
  config_["ipMasq"] = true;
  const auto before = everything();
  const auto address = add()["ips"][0]["address"];
  expect_ok("DEL");
  EXPECT_EQ(everything(), before);
  expect_ok("DEL");
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  expect_ok("DEL", {{"CNI_NETNS", "/run/netns/gone"}});
  expect_ok("DEL", {{"CNI_NETNS", write("left-over", "")}});
  config_.erase("prevResult");
  expect_ok("DEL");
  config_["mtu"] = -1;
  expect_ok("DEL");
  EXPECT_EQ(everything(), before);
}

TEST_F(PtpTest, DelRemovesTheHostsEndOfANamespaceThatIsOutOfReach) {
  add();
  const auto name = host_end().name;
  const auto alive = netns();
  box_->remove();
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_FALSE(Netlink::here().find_link(name));
  EXPECT_THAT(leases(), IsEmpty());
}

/// Each is a change behind the plugin's back that CHECK must notice, by what it says then.
struct Tampering {
  std::vector<std::string> command;  ///< "VETH" stands for the host's end.
  const char* message;
};

TEST_F(PtpTest, CheckNoticesEachKindOfTampering) {
  use_legacy_iptables();
  use_dual_stack();
  config_["ipMasq"] = true;
  const Tampering cases[] = {
      {{"ip", "-n", "box", "address", "del", "10.1.0.2/24", "dev", "eth0"}, "10.1.0.2/24"},
      {{"ip", "-n", "box", "route", "del", "default"}, "route 0.0.0.0/0"},
      {{"ip", "-n", "box", "route", "del", "10.1.0.0/24"}, "route 10.1.0.0/24"},
      {{"ip", "-n", "box", "-6", "route", "del", "fd01::/64"}, "route fd01::/64"},
      {{"ip", "-n", "box", "route", "del", "10.1.0.1/32"}, "route 10.1.0.1/32"},
      {{"ip", "-n", "box", "link", "set", "eth0", "down"}, "eth0"},
      {{"ip", "-n", "box", "link", "set", "eth0", "address", "02:00:00:00:00:99"}, "02:00:00:00:00:99"},
      {{"ip", "-n", "box", "link", "del", "eth0"}, "eth0 does not exist"},
      {{"ip", "link", "set", "VETH", "down"}, "is down"},
      {{"ip", "link", "set", "VETH", "address", "02:00:00:00:00:98"}, "02:00:00:00:00:98"},
      {{"ip", "address", "del", "10.1.0.1/32", "dev", "VETH"}, "gateway address 10.1.0.1/32"},
      {{"ip", "address", "del", "fd01::1/128", "dev", "VETH"}, "gateway address fd01::1/128"},
      {{"ip", "route", "del", "10.1.0.2", "dev", "VETH"}, "route 10.1.0.2/32"},
      {{"ip", "-6", "route", "del", "fd01::2", "dev", "VETH"}, "route fd01::2/128"},
      {{"iptables-legacy", "-t", "nat", "-F", "POSTROUTING"}, "masquerading"},
      {{"rm", "-r", "/var/lib/cni/networks/net"}, ""},
  };
  const auto plain = config_;
  for (const auto& tampering : cases) {
    SCOPED_TRACE(base::Json(tampering.command).dump());
    config_ = plain;
    config_["runtimeConfig"] = Json::parse(R"({"ips": ["10.1.0.2", "fd01::2"]})");
    add();
    expect_ok("CHECK");
    auto command = tampering.command;
    std::replace(command.begin(), command.end(), std::string("VETH"), host_end().name);
    must_run(command);
    EXPECT_THAT(message("CHECK"), HasSubstr(tampering.message));
    expect_ok("DEL");
  }
}

TEST_F(PtpTest, CheckNeedsThePreviousResult) {
  add();
  config_.erase("prevResult");
  EXPECT_EQ(error("CHECK")["code"], kConfigError);
}

TEST_F(PtpTest, CheckToleratesAnAddressThatAPluginFurtherDownAdded) {
  add();
  config_["prevResult"]["interfaces"].push_back(Json{{"name", "net1"}, {"sandbox", "/run/netns/box"}});
  config_["prevResult"]["ips"].push_back(Json{{"address", "192.0.2.2/24"}, {"interface", 2}});
  expect_ok("CHECK");
}

TEST_F(PtpTest, GarbageCollectionRemovesWhatIsNotValidAnyMore) {
  use_legacy_iptables();
  config_["ipMasq"] = true;
  add();
  NamedNetNs sibling("sibling");
  config_.erase("prevResult");
  add(attachment("sibling", sibling.path()));
  config_.erase("prevResult");
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "sibling", "ifname": "eth0"}])");
  expect_ok("GC");
  EXPECT_THAT(masquerade_rules(), AllOf(HasSubstr("10.1.0.3"), Not(HasSubstr("10.1.0.2"))));
  EXPECT_THAT(leases(), ElementsAre("10.1.0.3"));
  EXPECT_FALSE(inside().find_link("eth0"));
  EXPECT_TRUE(net::Netlink::in(sibling.open()).find_link("eth0"));
}

TEST_F(PtpTest, StatusIsThatOfIpam) {
  expect_ok("STATUS");
  config_["ipam"]["ranges"] = Json::parse(R"([[{"subnet": "10.1.0.0/30"}]])");
  expect_ok("STATUS");
  add();
  config_.erase("prevResult");
  EXPECT_EQ(error("STATUS")["code"], 50);
}

TEST_F(PtpTest, AnInterruptedAddIsUndone) {
  config_["ipMasq"] = true;
  const auto before = everything();
  // The signal comes while IPAM runs, which answers all the same.
  use_ipam_that_answers(R"({"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]})");
  write("plugins/canned", base::read_file(scratch() + "/plugins/canned") +
                              "trap '' TERM\n[ \"$CNI_COMMAND\" != ADD ] || kill -TERM $PPID\n");
  must_run({"chmod", "+x", scratch() + "/plugins/canned"});
  const auto object = error("ADD", with_canned_ipam());
  EXPECT_EQ(object["code"], 11);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("interrupted by SIGTERM"));
  EXPECT_EQ(everything(), before);
}

}  // namespace
}  // namespace berth::test
