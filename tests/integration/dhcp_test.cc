// The dhcp plugin under the bridge plugin, as a runtime runs it, with dnsmasq as the server.
#include <gmock/gmock.h>

#include <chrono>

#include "base/file.h"
#include "net/netlink.h"
#include "support/dhcp_fixture.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::Netlink;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kTryAgainLater = 11;
constexpr int kConfigError = 7;

TEST_F(DhcpTest, ContainerGetsItsAddressAndGatewayAndReachesTheLan) {
  lan_->serve();
  start_daemon();
  const auto result = add();
  const auto address = result["ips"][0]["address"].get<std::string>();
  EXPECT_THAT(address, HasSubstr("10.50.0."));
  EXPECT_EQ(result["ips"][0]["gateway"], "10.50.0.1");
  EXPECT_EQ(addresses(), std::vector<std::string>{address});
  EXPECT_THAT(routes(), Contains("default via 10.50.0.1 dev eth0"));
  netns().within([] { must_run({"busybox", "ping", "-c", "1", "-W", "2", "10.50.0.1"}); });
  EXPECT_THAT(lan_->leases(), SizeIs(1));
  EXPECT_THAT(records(), SizeIs(1));
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free()) << lan_->log() << daemon_log();
  EXPECT_THAT(records(), IsEmpty());
  expect_ok("DEL");
}

TEST_F(DhcpTest, EveryResultVersionHasTheAddress) {
  lan_->serve({"--dhcp-option=6,10.50.0.53"});
  start_daemon();
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    config_["cniVersion"] = version;
    config_.erase("prevResult");
    const auto result = add();
    EXPECT_EQ(result["cniVersion"], version);
    const bool early = std::string(version) < "0.3.0";
    const auto address = early ? result["ip4"]["ip"] : result["ips"][0]["address"];
    EXPECT_THAT(address.get<std::string>(), HasSubstr("10.50.0.")) << version;
    EXPECT_EQ(result["dns"]["nameservers"], Json::array({"10.50.0.53"})) << version;
    expect_ok("DEL");
  }
}

TEST_F(DhcpTest, DnsMtuAndRoutesComeFromTheLease) {
  lan_->serve({"--dhcp-option=6,10.50.0.53,10.50.0.54", "--dhcp-option=15,example.org",
               "--dhcp-option=119,eng.example.org,example.org", "--dhcp-option=26,1400", "--dhcp-option=42,10.50.0.123",
               "--dhcp-option=121,0.0.0.0/0,10.50.0.254,10.60.0.0/16,10.50.0.253,10.70.0.0/24,0.0.0.0"});
  start_daemon();
  config_["ipam"]["priority"] = 50;
  const auto result = add();
  EXPECT_EQ(result["dns"], Json::parse(R"({"nameservers": ["10.50.0.53", "10.50.0.54"], "domain": "example.org",
                                           "search": ["eng.example.org", "example.org"]})"));
  EXPECT_EQ(result["routes"], Json::parse(R"([
    {"dst": "0.0.0.0/0", "gw": "10.50.0.254", "mtu": 1400, "priority": 50},
    {"dst": "10.60.0.0/16", "gw": "10.50.0.253", "mtu": 1400, "priority": 50},
    {"dst": "10.70.0.0/24", "gw": "0.0.0.0", "mtu": 1400, "priority": 50, "scope": 253}])"));
  EXPECT_THAT(routes(), AllOf(Contains("default via 10.50.0.254 dev eth0 metric 50 mtu 1400"),
                              Contains("10.60.0.0/16 via 10.50.0.253 dev eth0 metric 50 mtu 1400"),
                              Contains("10.70.0.0/24 dev eth0 scope link metric 50 mtu 1400")));
  expect_ok("CHECK");
  ASSERT_THAT(records(), SizeIs(1));
  EXPECT_EQ(Json::parse(base::read_file(records()[0]))["lease"]["ntp"], Json::array({"10.50.0.123"}));
}

TEST_F(DhcpTest, StaticRoutesOfOldServersBecomeRoutes) {
  lan_->serve({"--dhcp-option-force=33,192.168.7.9,10.50.0.77"});
  start_daemon();
  const auto result = add();
  EXPECT_EQ(result["routes"], Json::parse(R"([{"dst": "192.168.7.0/24", "gw": "10.50.0.77"},
                                              {"dst": "0.0.0.0/0", "gw": "10.50.0.1"}])"));
  EXPECT_THAT(routes(), Contains("192.168.7.0/24 via 10.50.0.77 dev eth0"));
}

TEST_F(DhcpTest, TheConfigurationsDnsReplacesTheLeases) {
  lan_->serve({"--dhcp-option=6,10.50.0.53"});
  start_daemon();
  config_["dns"] = {{"nameservers", {"1.1.1.1"}}};
  EXPECT_EQ(add()["dns"]["nameservers"], Json::array({"1.1.1.1"}));
}

TEST_F(DhcpTest, ServersHearWhatIsProvidedAndRequested) {
  lan_->serve();
  start_daemon();
  config_["ipam"]["provide"] = Json::parse(R"([{"option": "host-name", "fromArg": "K8S_POD_NAME", "value": "unused"},
                                               {"option": "60", "value": "berth-class"},
                                               {"option": 77, "value": "from-number"},
                                               {"option": "17", "fromArg": "ABSENT"}])");
  config_["ipam"]["request"] = Json::parse(R"([{"option": "43"}, {"option": "routers"}, {"skipDefault": true}])");
  add({{"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web-7;K8S_POD_UID=x"}});
  const auto log = lan_->log();
  EXPECT_THAT(log, HasSubstr("client provides name: web-7"));
  EXPECT_THAT(log, HasSubstr("vendor class: berth-class"));
  EXPECT_THAT(log, HasSubstr("user class: from-number"));
  EXPECT_THAT(log, HasSubstr("requested options: 43:vendor-encap, 3:router\n"));
  EXPECT_THAT(lan_->leases(), ElementsAre(HasSubstr("web-7 00:62:6f:78:2f:6e:65:74:2f:65:74:68:30")))
      << "the client identifier is a zero byte and box/net/eth0";
}

TEST_F(DhcpTest, UsualOptionsAreRequestedUnlessTheyAreSkipped) {
  lan_->serve();
  start_daemon();
  config_["ipam"]["request"] = Json::parse(R"([{"option": "43"}])");
  add();
  EXPECT_THAT(lan_->log(), HasSubstr("requested options: 43:vendor-encap, 1:netmask, 121:classless-static-route"));
}

TEST_F(DhcpTest, ArgumentsAreReadLeniently) {
  use_plugin_alone();
  lan_->serve();
  start_daemon();
  config_["ipam"]["provide"] = Json::parse(R"([{"option": "12", "fromArg": "NAME"}])");
  add({{"CNI_ARGS", "nonsense;A=B=C;UNKNOWN=1;NAME=web"}});
  EXPECT_THAT(lan_->log(), HasSubstr("client provides name: web"));
}

TEST_F(DhcpTest, BadConfigurationIsRefusedByNameBeforeAnythingHappens) {
  lan_->serve();
  start_daemon();
  const std::string long_value(256, 'x');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"priority": -1})", "ipam.priority"},
      {R"({"priority": "high"})", "ipam.priority"},
      {R"({"daemonSocketPath": 5})", "ipam.daemonSocketPath"},
      {R"({"provide": [{"option": "nonsense", "value": "x"}]})", "nonsense"},
      {R"({"provide": [{"option": "256", "value": "x"}]})", "256"},
      {R"({"provide": [{"value": "x"}]})", "ipam.provide[0].option"},
      {R"({"provide": [{"option": "53", "value": "x"}]})", "53"},
      {R"({"provide": [{"option": "12", "value": ")" + long_value + R"("}]})", "256 bytes"},
      {R"({"provide": {}})", "ipam.provide"},
      {R"({"request": [{"option": "nonsense"}]})", "nonsense"},
      {R"({"request": [{"option": "255"}]})", "255"},
      {R"({"request": [{"skipDefault": "yes"}]})", "skipDefault"},
  };
  const auto before = host_state();
  for (const auto& [keys, expected] : cases) {
    config_["ipam"] = Json::parse(keys);
    config_["ipam"]["type"] = "dhcp";
    const auto object = error("ADD");
    EXPECT_EQ(object["code"], kConfigError) << keys;
    EXPECT_THAT(message(object), HasSubstr(expected));
    EXPECT_EQ(host_state(), before) << keys;
  }
  EXPECT_THAT(lan_->log(), Not(HasSubstr("DHCPDISCOVER")));
}

TEST_F(DhcpTest, AValueFromTheRuntimeCanBeTooLongAsWell) {
  use_plugin_alone();
  config_["ipam"]["provide"] = Json::parse(R"([{"option": "12", "fromArg": "NAME"}])");
  const auto object = error("ADD", {{"CNI_ARGS", "NAME=" + std::string(256, 'x')}});
  EXPECT_EQ(object["code"], kConfigError);
  EXPECT_THAT(message(object), HasSubstr("CNI_ARGS NAME"));
}

TEST_F(DhcpTest, WithoutAServerAddEndsInTimeAndLeavesNothing) {
  start_daemon({"-resendtimeout", "2s"});
  const auto before = host_state();
  const auto began = std::chrono::steady_clock::now();
  const auto object = error("ADD");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(8));
  EXPECT_EQ(object["code"], kTryAgainLater);
  EXPECT_THAT(message(object), HasSubstr("no DHCP server has answered"));
  EXPECT_EQ(host_state(), before);
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(DhcpTest, AnAddWhoseInterfaceGoesAwayEndsAtOnce) {
  use_plugin_alone();
  start_daemon();
  Background plugin({built("dhcp")}, scratch() + "/output",
                    {"CNI_COMMAND=ADD", "CNI_CONTAINERID=box", "CNI_NETNS=/run/netns/box", "CNI_IFNAME=eth0"},
                    write("config", config_.dump()));
  ASSERT_TRUE(eventually([&] { return Netlink::in(netns()).link("eth0").is_up(); }));
  must_run({"ip", "-n", "box", "link", "delete", "eth0"});
  ASSERT_TRUE(eventually([&] { return !base::read_file(scratch() + "/output").empty(); }, 15));
  const auto object = Json::parse(base::read_file(scratch() + "/output"));
  EXPECT_EQ(object["code"], kTryAgainLater);
  EXPECT_THAT(message(object), HasSubstr("interface has gone"));
  expect_ok("STATUS");
}

TEST_F(DhcpTest, WithoutADaemonAddFailsAndSaysSo) {
  const auto before = host_state();
  const auto object = error("ADD");
  EXPECT_EQ(object["code"], kTryAgainLater);
  EXPECT_THAT(message(object), HasSubstr("/run/cni/dhcp.sock"));
  EXPECT_EQ(host_state(), before);
}

TEST_F(DhcpTest, ADaemonElsewhereIsFoundByItsSocket) {
  lan_->serve();
  const auto socket = scratch() + "/elsewhere/s.sock";
  const DhcpDaemon elsewhere(scratch() + "/elsewhere.log", {"-socketpath", socket}, socket);
  EXPECT_EQ(error("ADD")["code"], kTryAgainLater);
  config_["ipam"]["daemonSocketPath"] = socket;
  add();
  expect_ok("DEL");
  EXPECT_TRUE(lan_is_free());
}

TEST_F(DhcpTest, AnInterfaceThatIsNotThereIsNamed) {
  config_["type"] = "dhcp";
  start_daemon();
  EXPECT_THAT(message(error("ADD")), HasSubstr("eth0"));
  EXPECT_EQ(error("ADD", {{"CNI_NETNS", "/run/netns/none"}})["code"], 8);
}

TEST_F(DhcpTest, ASecondAddReturnsThePresentLease) {
  use_plugin_alone();
  lan_->serve();
  start_daemon();
  const auto first = add();
  EXPECT_EQ(add(), first);
  EXPECT_EQ(lan_->logged("DHCPDISCOVER(lan0)"), lan_->logged("DHCPOFFER(lan0)"));
  EXPECT_EQ(lan_->logged("DHCPACK(lan0)"), 1U);
}

TEST_F(DhcpTest, TheSameContainerOnANewLinkGetsItsAddressAgain) {
  lan_->serve();
  start_daemon();
  const auto first = add()["ips"][0]["address"];
  must_run({"ip", "-n", "box", "link", "delete", "eth0"});
  config_.erase("prevResult");
  EXPECT_EQ(add()["ips"][0]["address"], first);
  EXPECT_THAT(lan_->leases(), SizeIs(1));
}

TEST_F(DhcpTest, CheckComparesWithTheLease) {
  lan_->serve();
  start_daemon();
  add();
  expect_ok("CHECK");
  config_["type"] = "dhcp";
  expect_ok("CHECK");
  config_["prevResult"]["ips"][0]["address"] = "10.50.0.251/24";
  EXPECT_THAT(message(error("CHECK")), HasSubstr("prevResult does not have"));
  config_.erase("prevResult");
  EXPECT_EQ(error("CHECK")["code"], kConfigError);
}

TEST_F(DhcpTest, CheckFailsWithoutALeaseAndAsksForNone) {
  use_plugin_alone();
  lan_->serve();
  start_daemon();
  add();
  expect_ok("DEL");
  EXPECT_THAT(message(error("CHECK")), HasSubstr("no DHCP lease for net/box/eth0"));
  EXPECT_EQ(lan_->logged("DHCPACK(lan0)"), 1U);
}

TEST_F(DhcpTest, AnInterruptedAddLeavesNoLease) {
  start_daemon();
  const auto before = host_state();
  Background plugin({built("bridge")}, scratch() + "/output",
                    {"CNI_COMMAND=ADD", "CNI_CONTAINERID=box", "CNI_NETNS=/run/netns/box", "CNI_IFNAME=eth0",
                     "CNI_PATH=" + built_directory()},
                    write("config", config_.dump()));
  ASSERT_TRUE(eventually([&] {
    const auto link = Netlink::in(netns()).find_link("eth0");
    return link && link->is_up();
  })) << "the daemon is at work";
  EXPECT_EQ(plugin.terminate(), 1);
  const auto object = Json::parse(base::read_file(scratch() + "/output"));
  EXPECT_EQ(object["code"], kTryAgainLater);
  EXPECT_THAT(message(object), HasSubstr("SIGTERM"));
  EXPECT_EQ(host_state(), before);
  lan_->serve();
  EXPECT_FALSE(eventually([&] { return !lan_->leases().empty(); }, 1.5)) << "nobody asks any more";
}

}  // namespace
}  // namespace berth::test
