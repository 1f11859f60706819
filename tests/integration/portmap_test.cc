// The portmap plugin: rules compared with the reference's, and real traffic through published ports.

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <sstream>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "net/conntrack.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpAddress;
using ::testing::HasSubstr;
using ::testing::Not;

class PortmapTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (system_program("iptables-legacy").empty()) GTEST_SKIP() << "iptables-legacy is not installed";
    if (legacy_) use_legacy_iptables();
    must_run({"ip", "link", "add", "br0", "type", "bridge"});
    must_run({"ip", "address", "add", "10.9.0.1/24", "dev", "br0"});
    must_run({"ip", "address", "add", "fd00:9::1/64", "dev", "br0", "nodad"});
    must_run({"ip", "link", "set", "br0", "up"});
    must_run({"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"});
  }

  /// A container on the bridge with an address of each family that ends in `host`.
  std::unique_ptr<NamedNetNs> container(const std::string& name, int host) {
    auto netns = std::make_unique<NamedNetNs>(name);
    const std::string port = "v" + name;
    const std::string number = std::to_string(host);
    must_run({"ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name});
    must_run({"ip", "link", "set", port, "master", "br0", "up"});
    must_run({"bridge", "link", "set", "dev", port, "hairpin", "on"});
    must_run({"ip", "-n", name, "address", "add", "10.9.0." + number + "/24", "dev", "eth0"});
    must_run({"ip", "-n", name, "address", "add", "fd00:9::" + number + "/64", "dev", "eth0", "nodad"});
    must_run({"ip", "-n", name, "link", "set", "eth0", "up"});
    must_run({"ip", "-n", name, "route", "add", "default", "via", "10.9.0.1"});
    must_run({"ip", "-n", name, "-6", "route", "add", "default", "via", "fd00:9::1"});
    return netns;
  }

  std::unique_ptr<Background> web_server(const NamedNetNs& netns, const std::string& page) {
    write(page + "/index.html", page);
    const std::string busybox = system_program("busybox");
    return netns.open().within([&] {
      return std::make_unique<Background>(
          std::vector<std::string>{busybox, "httpd", "-f", "-p", "[::]:80", "-h", scratch() + "/" + page});
    });
  }

  Json config(const std::string& mappings, int host = 2, const std::string& netns = "c") const {
    const std::string number = std::to_string(host);
    Json conf = Json::parse(R"({"cniVersion": "1.1.0", "name": "n1", "type": "portmap"})");
    conf["backend"] = backend_;
    conf["runtimeConfig"]["portMappings"] = Json::parse(mappings);
    conf["prevResult"] = Json::parse(R"({"cniVersion": "1.1.0", "interfaces": [{"name": "br0"}, {"name": "eth0"}]})");
    conf["prevResult"]["interfaces"][1]["sandbox"] = "/run/netns/" + netns;
    conf["prevResult"]["ips"] = Json::parse(R"([{"interface": 1}, {"interface": 1}])");
    conf["prevResult"]["ips"][0]["address"] = "10.9.0." + number + "/24";
    conf["prevResult"]["ips"][1]["address"] = "fd00:9::" + number + "/64";
    return conf;
  }

  base::CommandResult portmap(const std::string& command, const Json& conf, const std::string& id = "ctr1",
                              const std::string& ifname = "eth0") {
    return run_plugin(built("portmap"), env(command, id, ifname), conf.dump());
  }
  base::CommandResult reference(const std::string& command, const Json& conf) {
    auto variables = env(command, "ctr1", "eth0");
    variables["PATH"] = path_with_legacy_iptables(scratch() + "/bin");
    return run_plugin(reference_plugins() + "/portmap", variables, conf.dump());
  }
  static std::map<std::string, std::string> env(const std::string& command, const std::string& id,
                                                const std::string& ifname) {
    return {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", id}, {"CNI_NETNS", "/run/netns/c"}, {"CNI_IFNAME", ifname}};
  }

  static std::string rules() {
    std::string kept;
    for (const char* program : {"iptables-legacy-save", "ip6tables-legacy-save"}) {
      std::istringstream lines(must_run({program, "-t", "nat"}));
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("#")) continue;
        if (line.starts_with(":")) line.resize(line.find('['));
        kept += line + "\n";
      }
    }
    return kept;
  }

  void expect_refused(const std::string& mapping, const std::string& key, const std::string& value) {
    const std::string before = rules();
    const auto result = portmap("ADD", config(mapping));
    EXPECT_EQ(1, result.exit_status.value_or(-1));
    const Json error = Json::parse(result.output);
    EXPECT_EQ(7, error["code"]) << result.output;
    EXPECT_THAT(error["msg"].get<std::string>(), AllOf(HasSubstr(key), HasSubstr(value)));
    EXPECT_EQ(before, rules());
  }

  std::string backend_ = "iptables";
  bool legacy_ = true;
};

/// What holds on every backend.
class PortmapBackendTest : public PortmapTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    backend_ = GetParam() == std::string("nftables") ? "nftables" : "iptables";
    legacy_ = GetParam() == std::string("legacy");
    PortmapTest::SetUp();
    if (!IsSkipped() && system_program("nft").empty()) GTEST_SKIP() << "nftables is not installed";
    if (!IsSkipped() && GetParam() == std::string("iptables_nft")) use_iptables_nft();
  }

  /// What the backends leave in the kernel for this container; counters excepted. (Looking at legacy tables would put
  /// them in use.)
  std::string all_rules() const { return (legacy_ ? rules() : "") + run({"nft", "-s", "list", "ruleset"}).output; }
};

INSTANTIATE_TEST_SUITE_P(On, PortmapBackendTest, ::testing::Values("legacy", "iptables_nft", "nftables"),
                         [](const auto& each) { return std::string(each.param); });

const char* const kWeb = R"([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])";

TEST_P(PortmapBackendTest, PublishedPortIsReachableFromEverywhere) {
  const auto c = container("c", 2);
  const auto neighbour = container("neighbour", 3);
  const auto server = web_server(*c, "hello");
  NamedNetNs outside("outside");
  must_run({"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "outside"});
  must_run({"ip", "address", "add", "192.168.77.1/24", "dev", "uplink"});
  must_run({"ip", "link", "set", "uplink", "up"});
  must_run({"ip", "-n", "outside", "address", "add", "192.168.77.2/24", "dev", "eth0"});
  must_run({"ip", "-n", "outside", "link", "set", "eth0", "up"});
  must_run({"ip", "-n", "c", "link", "set", "lo", "up"});
  const auto result = portmap("ADD", config(kWeb));
  ASSERT_TRUE(result.ok()) << result.output;

  const auto get = [](const char* address) { return http_get(IpAddress::parse(address), 8080); };
  EXPECT_EQ("hello", get("127.0.0.1"));
  EXPECT_EQ("hello", get("10.9.0.1"));
  EXPECT_EQ("hello", get("192.168.77.1"));
  EXPECT_EQ("hello", get("fd00:9::1"));
  EXPECT_EQ("hello", outside.open().within([&] { return get("192.168.77.1"); }));
  EXPECT_EQ("hello", neighbour->open().within([&] { return get("10.9.0.1"); }));
  EXPECT_EQ("hello", neighbour->open().within([&] { return get("fd00:9::1"); }));
  EXPECT_EQ("hello", c->open().within([&] { return get("192.168.77.1"); }));

  ASSERT_TRUE(portmap("DEL", config(kWeb)).ok());
  EXPECT_FALSE(answers(IpAddress::parse("10.9.0.1"), 8080));
}

TEST_P(PortmapBackendTest, AHostAddressLimitsThePort) {
  const auto c = container("c", 2);
  const auto server = web_server(*c, "hello");
  must_run({"ip", "address", "add", "192.0.2.1/32", "dev", "br0"});
  const char* limited = R"([{"hostPort": 8080, "containerPort": 80, "protocol": "TCP", "hostIP": "192.0.2.1"}])";
  ASSERT_TRUE(portmap("ADD", config(limited)).ok());
  EXPECT_EQ("hello", http_get(IpAddress::parse("192.0.2.1"), 8080));
  EXPECT_FALSE(answers(IpAddress::parse("10.9.0.1"), 8080));
}

TEST_F(PortmapTest, MakesTheReferencesRulesAndEachRemovesTheOthers) {
  if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
  const auto c = container("c", 2);
  // One port per protocol: ip6tables-legacy 1.8.9 takes rules for IPv6 that differ in the port for equal.
  const char* mappings = R"([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                             {"hostPort": 53, "containerPort": 5353, "protocol": "udp"},
                             {"hostPort": 99, "containerPort": 99, "protocol": "sctp", "hostIP": "10.9.0.1"}])";
  for (const char* variant : {R"({})", R"({"snat": false})", R"({"markMasqBit": 5})",
                              R"({"conditionsV4": ["!", "-s", "192.0.2.0/24", "-m", "mark", "!", "--mark", "0x3"]})"}) {
    Json conf = config(mappings);
    conf["cniVersion"] = conf["prevResult"]["cniVersion"] = "1.0.0";  // Debian 12's know no later one.
    conf.update(Json::parse(variant));
    for (const char* program : {"iptables-legacy", "ip6tables-legacy"}) {
      must_run({program, "-t", "nat", "-F"});
      must_run({program, "-t", "nat", "-X"});
    }
    auto made = reference("ADD", conf);
    ASSERT_TRUE(made.ok()) << made.output;
    const std::string theirs = rules();
    const auto checked = portmap("CHECK", conf);
    EXPECT_TRUE(checked.ok()) << checked.output << theirs;
    ASSERT_TRUE(portmap("DEL", conf).ok());
    EXPECT_THAT(rules(), Not(HasSubstr("ctr1")));
    for (const char* program : {"iptables-legacy", "ip6tables-legacy"}) {
      must_run({program, "-t", "nat", "-F"});
      must_run({program, "-t", "nat", "-X"});
    }
    made = portmap("ADD", conf);
    ASSERT_TRUE(made.ok()) << made.output;
    EXPECT_EQ(theirs, rules()) << variant;
    ASSERT_TRUE(reference("DEL", conf).ok());
    EXPECT_THAT(rules(), Not(HasSubstr("ctr1"))) << variant;
  }
}

TEST_F(PortmapTest, DelNeedsNothingButTheOwnerAndMayBeRepeated) {
  const auto c = container("c", 2);
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  const Json bare = Json::parse(R"({"cniVersion": "1.1.0", "name": "n1", "type": "portmap"})");
  auto variables = env("DEL", "ctr1", "eth0");
  variables.erase("CNI_NETNS");
  for (int time = 0; time < 2; ++time) {
    const auto result = run_plugin(built("portmap"), variables, bare.dump());
    EXPECT_TRUE(result.ok()) << result.output;
    EXPECT_THAT(rules(), Not(HasSubstr("ctr1")));
  }
}

TEST_F(PortmapTest, AddIsRepeatableAndReturnsPrevResult) {
  const auto c = container("c", 2);
  const auto first = portmap("ADD", config(kWeb));
  ASSERT_TRUE(first.ok()) << first.output;
  EXPECT_EQ("10.9.0.2/24", Json::parse(first.output)["ips"][0]["address"]);
  const std::string once = rules();
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  EXPECT_EQ(once, rules());
  EXPECT_TRUE(portmap("CHECK", config(kWeb)).ok());
  must_run({"iptables-legacy", "-t", "nat", "-F", "CNI-HOSTPORT-DNAT"});
  EXPECT_FALSE(portmap("CHECK", config(kWeb)).ok());
}

TEST_F(PortmapTest, WithoutMappingsNothingIsDone) {
  const auto c = container("c", 2);
  ASSERT_TRUE(portmap("ADD", config("[]")).ok());
  ASSERT_TRUE(portmap("DEL", config("[]")).ok());
  EXPECT_THAT(rules(), Not(HasSubstr("CNI-")));
  EXPECT_EQ("", must_run({"nft", "list", "ruleset"}));
}

TEST_F(PortmapTest, ATakenPortHasACodeOfItsOwnAndNamesItsOwner) {
  const auto c = container("c", 2);
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  const std::string before = rules();
  const auto result = portmap("ADD", config(kWeb, 3), "ctr2");
  const Json error = Json::parse(result.output);
  EXPECT_EQ(100, error["code"]);
  EXPECT_THAT(error["msg"].get<std::string>(), AllOf(HasSubstr("8080/tcp"), HasSubstr("\"ctr1\"")));
  EXPECT_EQ(before, rules());
  EXPECT_TRUE(portmap("ADD", config(kWeb, 4), "ctr1", "eth1").ok()) << "the same container may";
}

TEST_P(PortmapBackendTest, OnlyPacketsToThisHostAreTaken) {
  const auto c = container("c", 2);
  const auto server = web_server(*c, "hello");
  NamedNetNs outside("outside");
  must_run({"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "outside"});
  must_run({"ip", "address", "add", "192.168.77.1/24", "dev", "uplink"});
  must_run({"ip", "link", "set", "uplink", "up"});
  must_run({"ip", "-n", "outside", "address", "add", "192.168.77.2/24", "dev", "eth0"});
  must_run({"ip", "-n", "outside", "link", "set", "eth0", "up"});
  must_run({"ip", "-n", "outside", "route", "add", "default", "via", "192.168.77.1"});
  const auto elsewhere = container("elsewhere", 5);
  const auto other = elsewhere->open().within([&] {
    write("other/index.html", "other");
    return std::make_unique<Background>(
        std::vector<std::string>{system_program("busybox"), "httpd", "-f", "-p", "8080", "-h", scratch() + "/other"});
  });
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  const auto get = [&](const char* address) {
    return outside.open().within([&] { return http_get(IpAddress::parse(address), 8080); });
  };
  EXPECT_EQ("other", get("10.9.0.5")) << "a forwarded connection to the same port is somebody else's";
  EXPECT_EQ("hello", get("192.168.77.1"));
}

TEST_P(PortmapBackendTest, ConditionsDecideWhoReachesThePort) {
  const auto c = container("c", 2);
  const auto neighbour = container("neighbour", 3);
  const auto stranger = container("stranger", 4);
  const auto server = web_server(*c, "hello");
  Json conf = config(kWeb);
  conf["conditionsV4"] =
      Json::parse(backend_ == "nftables" ? R"(["ip", "saddr", "10.9.0.3"])" : R"(["-s", "10.9.0.3"])");
  conf["conditionsV6"] = Json::parse(backend_ == "nftables" ? R"(["iifname", "lo"])" : R"(["-i", "lo"])");
  const auto result = portmap("ADD", conf);
  ASSERT_TRUE(result.ok()) << result.output;
  const auto reach = [](NamedNetNs& from) {
    return from.open().within([] { return answers(IpAddress::parse("10.9.0.1"), 8080); });
  };
  EXPECT_TRUE(reach(*neighbour));
  EXPECT_FALSE(reach(*stranger));
  EXPECT_TRUE(portmap("CHECK", conf).ok());
  EXPECT_TRUE(portmap("ADD", config(kWeb, 4), "ctr2").ok()) << "under other conditions the port is free";
  EXPECT_TRUE(reach(*neighbour));
  for (const char* id : {"ctr1", "ctr2"}) ASSERT_TRUE(portmap("DEL", conf, id).ok());
  EXPECT_THAT(all_rules(), AllOf(Not(HasSubstr("8080")), Not(HasSubstr("10.9.0."))));
}

TEST_P(PortmapBackendTest, AnAddressOfTheHostBehindLoopbackIsNotReachedFromOutside) {
  if (backend_ != "nftables") GTEST_SKIP() << "the reference's rules, which the iptables backend makes, do not protect";
  const auto c = container("c", 2);
  const auto attacker = container("attacker", 66);
  write("local/index.html", "local");
  const Background local(
      {system_program("busybox"), "httpd", "-f", "-p", "127.0.0.1:9999", "-h", scratch() + "/local"});
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  ASSERT_EQ("1", must_run({"cat", "/proc/sys/net/ipv4/conf/br0/route_localnet"}).substr(0, 1));
  EXPECT_EQ("local", http_get(IpAddress::parse("127.0.0.1"), 9999));
  must_run({"ip", "-n", "attacker", "link", "set", "lo", "down"});
  must_run({"ip", "-n", "attacker", "route", "add", "127.0.0.1/32", "via", "10.9.0.1"});
  must_run({"ip", "netns", "exec", "attacker", "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"});
  EXPECT_FALSE(attacker->open().within([] { return answers(IpAddress::parse("127.0.0.1"), 9999); }));
}

TEST_P(PortmapBackendTest, WhatOneBackendMadeIsRemovedWhateverTheConfigurationSaysLater) {
  const auto c = container("c", 2);
  const std::string before = all_rules();
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  EXPECT_NE(before, all_rules());
  for (const char* later : {"iptables", "nftables"}) {
    Json conf = config(kWeb);
    conf["backend"] = later;
    ASSERT_TRUE(portmap("DEL", conf).ok());
    EXPECT_EQ(before, all_rules());
  }
}

TEST_P(PortmapBackendTest, ATakenPortNamesItsOwnerOnEveryBackend) {
  const auto c = container("c", 2);
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  const std::string before = all_rules();
  for (const char* wanted : {kWeb, R"([{"hostPort": 8080, "containerPort": 80, "hostIP": "10.9.0.1"}])"}) {
    const Json error = Json::parse(portmap("ADD", config(wanted, 3), "ctr2").output);
    EXPECT_EQ(100, error["code"]);
    EXPECT_THAT(error["msg"].get<std::string>(), AllOf(HasSubstr("8080/tcp"), HasSubstr("\"ctr1\"")));
    EXPECT_EQ(before, all_rules());
  }
}

TEST_F(PortmapTest, BadMappingsAreNamed) {
  expect_refused(R"([{"hostPort": 0, "containerPort": 80, "protocol": "tcp"}])", "hostPort", "0");
  expect_refused(R"([{"hostPort": 70000, "containerPort": 80, "protocol": "tcp"}])", "hostPort", "70000");
  expect_refused(R"([{"hostPort": 80, "containerPort": -1, "protocol": "tcp"}])", "containerPort", "-1");
  expect_refused(R"([{"hostPort": 80, "protocol": "tcp"}])", "containerPort", "missing");
  expect_refused(R"([{"hostPort": 80, "containerPort": 80, "protocol": "icmp"}])", "protocol", "icmp");
  expect_refused(R"([{"hostPort": 80, "containerPort": 80, "hostIP": "10.0.0.300"}])", "hostIP", "10.0.0.300");
  expect_refused(R"([{"hostPort": 80, "containerPort": 80}, {"hostPort": 80, "containerPort": 81}])", "hostPort",
                 "80/tcp");
}

TEST_F(PortmapTest, BadOptionsAreNamed) {
  const auto code = [&](const char* more) {
    Json conf = config(kWeb);
    conf.update(Json::parse(more));
    return Json::parse(portmap("ADD", conf).output)["code"].get<int>();
  };
  EXPECT_EQ(7, code(R"({"markMasqBit": 32})"));
  EXPECT_EQ(7, code(R"({"markMasqBit": 3, "externalSetMarkChain": "X"})"));
  EXPECT_EQ(7, code(R"({"externalSetMarkChain": "NOT-THERE"})"));
  EXPECT_EQ(7, code(R"({"conditionsV4": ["-m", "recent", "--rcheck"]})"));
  EXPECT_EQ(7, code(R"({"backend": "ipfw"})"));
  EXPECT_EQ(7, code(R"({"backend": "nftables", "markMasqBit": 3})"));
  EXPECT_EQ(7, code(R"({"backend": "nftables", "externalSetMarkChain": "X"})"));
  EXPECT_EQ(7, code(R"({"backend": "nftables", "conditionsV4": ["-s", "192.0.2.0/24"]})"));
  EXPECT_EQ(7, code(R"({"backend": "nftables", "conditionsV4": ["ip", "saddr", "nowhere"]})"));
  EXPECT_EQ(7, code(R"({"backend": "iptables", "conditionsV4": ["ip", "saddr", "192.0.2.0/24"]})"));
  EXPECT_EQ(7, code(R"({"prevResult": null})"));
  EXPECT_THAT(rules(), Not(HasSubstr("CNI-")));
}

TEST_F(PortmapTest, GarbageOfContainersThatAreGoneIsCollected) {
  const auto c = container("c", 2);
  ASSERT_TRUE(portmap("ADD", config(kWeb)).ok());
  const char* other = R"([{"hostPort": 8081, "containerPort": 80, "protocol": "tcp"}])";
  ASSERT_TRUE(portmap("ADD", config(other, 3), "ctr2").ok());
  Json conf = config("[]");
  conf.erase("prevResult");
  conf["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "ctr2", "ifname": "eth0"}])");
  const auto result = portmap("GC", conf);
  ASSERT_TRUE(result.ok()) << result.output;
  EXPECT_THAT(rules(), AllOf(Not(HasSubstr("ctr1")), HasSubstr("ctr2")));
  EXPECT_TRUE(portmap("STATUS", conf).ok());
}

/// A UDP packet from the host to its own address: conntrack keeps the flow for 30 seconds.
void start_udp_flow(const IpAddress& address, uint16_t port) {
  const base::Fd fd(base::check(::socket(AF_INET, SOCK_DGRAM, 0), "socket"));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  std::memcpy(&to.sin_addr, address.bytes(), address.size());
  base::check(::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), "sendto");
}

TEST_P(PortmapBackendTest, StaleUdpConnectionsAreForgottenOnAddAndDel) {
  const auto c = container("c", 2);
  const char* dns = R"([{"hostPort": 5353, "containerPort": 53, "protocol": "udp"}])";
  const Json bare = Json::parse(R"({"cniVersion": "1.1.0", "name": "n1", "type": "portmap"})");
  const auto address = IpAddress::parse("10.9.0.1");
  const auto flush = [] { return net::flush_conntrack(net::Family::kIpv4, {{IPPROTO_UDP, 5353, std::nullopt}}); };
  ASSERT_TRUE(portmap("ADD", config(kWeb), "tracker").ok());  // from now on connections are tracked

  start_udp_flow(address, 5353);
  ASSERT_EQ(1U, flush()) << "the kernel tracks the flow";
  start_udp_flow(address, 5353);
  ASSERT_TRUE(portmap("ADD", config(dns)).ok());
  EXPECT_EQ(0U, flush());
  start_udp_flow(address, 5353);
  ASSERT_TRUE(portmap("DEL", bare).ok());
  EXPECT_EQ(0U, flush());
}

}  // namespace
}  // namespace berth::test
