// What the bridge plugin refuses, and that an ADD that fails leaves nothing.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
#include "support/bridge.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::IpNet;
using net::Netlink;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kConfigError = 7;
constexpr int kUnsupported = 2;

TEST_F(BridgeTest, ContradictionsAndValuesOutOfRangeAreRefused) {
  struct Case {
    const char* keys;
    int code;
    const char* message;
  };
  const Case cases[] = {
      {R"({"hairpinMode": true, "promiscMode": true})", kConfigError,
       "cannot set hairpin mode and promiscuous mode at the same time"},
      {R"({"disableContainerInterface": true})", kConfigError,
       "cannot use IPAM when DisableContainerInterface flag is set"},
      {R"({"macspoofchk": "yes"})", kConfigError, "macspoofchk"},
      {R"({"ipMasq": true, "ipMasqBackend": "pf"})", kUnsupported, "ipMasqBackend: \"pf\""},
      {R"({"vlan": 4095})", kConfigError, "invalid VLAN ID 4095 (must be between 0 and 4094)"},
      {R"({"vlan": -1})", kConfigError, "invalid VLAN ID -1 (must be between 0 and 4094)"},
      {R"({"vlanTrunk": [{"minID": 0, "maxID": 3}]})", kConfigError, "incorrect trunk minID parameter"},
      {R"({"vlanTrunk": [{"minID": 1, "maxID": 5000}]})", kConfigError, "incorrect trunk maxID parameter"},
      {R"({"vlanTrunk": [{"id": 4095}]})", kConfigError, "incorrect trunk id parameter"},
      {R"({"vlanTrunk": [{"minID": 9, "maxID": 3}]})", kConfigError, "minID is greater than maxID in trunk parameter"},
      {R"({"vlanTrunk": [{"minID": 9}]})", kConfigError,
       "minID and maxID should be configured simultaneously, maxID is missing"},
      {R"({"vlanTrunk": [{"maxID": 9}]})", kConfigError,
       "minID and maxID should be configured simultaneously, minID is missing"},
      {R"({"mtu": -1})", kConfigError, "mtu"},
      {R"({"mtu": "1500"})", kConfigError, "mtu"},
      {R"({"isGateway": "yes"})", kConfigError, "isGateway"},
      {R"({"bridge": "a-name-that-is-too-long"})", kConfigError, "a-name-that-is-too-long"},
      {R"({"bridge": "bridge-of-net", "vlan": 100})", kConfigError, "bridge-of-net.100"},
  };
  const auto plain = config_;
  for (const auto& wrong : cases) {
    SCOPED_TRACE(wrong.keys);
    config_ = plain;
    config_.update(Json::parse(wrong.keys));
    const auto object = failed_add();
    EXPECT_EQ(object["code"], wrong.code);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(wrong.message));
  }
}

TEST_F(BridgeTest, AConflictingBridgeAddressIsAnErrorAndStaysUnlessForced) {
  auto host = Netlink::here();
  host.create_bridge("br0", 0, false);
  const int bridge = host.link("br0").index;
  host.add_address(bridge, {IpNet::parse("10.9.0.1/16"), false, 0});
  const auto object = failed_add();
  EXPECT_THAT(object["msg"].get<std::string>(),
              HasSubstr("\"br0\" already has an IP address different from 10.1.0.1/24"));

  config_["forceAddress"] = true;
  add();
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
}

TEST_F(BridgeTest, AnIpv6AddressThatDoesNotOverlapIsNoConflict) {
  use_dual_stack();
  auto host = Netlink::here();
  host.create_bridge("br0", 0, false);
  host.add_address(host.link("br0").index, {IpNet::parse("fd99::1/64"), true, 0});
  add();
  EXPECT_THAT(addresses(Netlink::here(), "br0"),
              AllOf(Contains(IpNet::parse("fd99::1/64")), Contains(IpNet::parse("fd01::1/64"))));
}

TEST_F(BridgeTest, ForcedAwayAddressesComeBackIfTheRestFails) {
  auto host = Netlink::here();
  host.create_bridge("br0", 0, false);
  host.set_mac(host.link("br0").index, net::MacAddress::parse("02:00:00:00:00:42"));
  host.add_address(host.link("br0").index, {IpNet::parse("10.9.0.1/16"), false, 0});
  config_["forceAddress"] = true;
  // A route that the kernel refuses: its gateway is nowhere near. The gateway address is in place by then.
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  const auto object = failed_add();
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("192.0.2.0/24 via 198.51.100.1"));
}

TEST_F(BridgeTest, AFailureAfterTheBridgeWasMadeRemovesIt) {
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  failed_add();
  EXPECT_FALSE(Netlink::here().find_link("br0"));
}

TEST_F(BridgeTest, AFailureLeavesABridgeThatOthersUse) {
  NamedNetNs other("other");
  auto elsewhere = config_;
  add({{"CNI_CONTAINERID", "other"}, {"CNI_NETNS", other.path()}});
  config_ = elsewhere;
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  failed_add();
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
}

TEST_F(BridgeTest, EveryFailureLeavesTheHostAsItWas) {
  const auto plain = config_;
  config_["ipam"]["type"] = "no-such-ipam";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("failed to find plugin \"no-such-ipam\""));

  config_ = plain;
  config_["mtu"] = 20;
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("mtu 20"));

  config_ = plain;
  auto object = failed_add({{"CNI_NETNS", "/run/netns/gone"}});
  EXPECT_EQ(object["code"], 8);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("/run/netns/gone: no such file or directory"));

  base::write_file_atomic(scratch() + "/file", "", 0644);
  EXPECT_THAT(failed_add({{"CNI_NETNS", scratch() + "/file"}})["msg"].get<std::string>(),
              HasSubstr("/file is not a network namespace"));

  inside().create_bridge("eth0", 0, false);
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("eth0 already exists in /run/netns/box"));
  inside().delete_link("eth0");

  config_["bridge"] = "lo";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("\"lo\" already exists but is not a bridge"));
}

TEST_F(BridgeTest, AResultThatTheVersionCannotExpressIsRefusedFirst) {
  use_layer_2();
  config_["cniVersion"] = "0.2.0";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("cannot convert: no valid IP addresses"));
}

/// An IPAM plugin of a few lines that writes down what it is asked, and whether the container has its interface then.
class ScriptedIpamTest : public BridgeTest {
 protected:
  void use_script(const std::string& at_add) {
    const auto path = write("bin/scripted", R"(#!/bin/sh
log=$(dirname "$0")/log
if ip -n box link show eth0 >/dev/null 2>&1; then link=present; else link=absent; fi
echo "$CNI_COMMAND $link" >> "$log"
[ "$CNI_COMMAND" = ADD ] || exit 0
)" + at_add + "\n");
    ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
    config_["ipam"] = Json{{"type", "scripted"}};
  }
  std::string log() const { return base::read_file(scratch() + "/bin/log"); }
  Environment env() const { return {{"CNI_PATH", scratch() + "/bin"}, {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}; }
};

constexpr const char* kLease = R"(echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24"}]}')";

TEST_F(ScriptedIpamTest, AnInterruptedAddUndoesEverything) {
  use_script(std::string("trap '' TERM\nkill -TERM $PPID\n") + kLease);
  EXPECT_EQ(failed_add(env())["code"], 11);
  EXPECT_EQ(log(), "ADD present\nDEL absent\n") << "addresses are given back when nobody has them any more";
}

TEST_F(ScriptedIpamTest, AnAddressIsGivenBackAfterTheInterfaceIsGone) {
  use_script(kLease);
  add(env());
  expect_ok("DEL", env());
  EXPECT_EQ(log(), "ADD present\nDEL absent\n");
}

TEST_F(ScriptedIpamTest, AnswersWithoutAddressesAreRefused) {
  use_script(R"(echo '{"cniVersion": "1.0.0", "ips": []}')");
  EXPECT_EQ(failed_add(env())["msg"], "IPAM plugin returned missing IP config");
}

TEST_F(ScriptedIpamTest, ItsErrorGoesThroughAsItIs) {
  use_script(R"(echo '{"code": 11, "msg": "come back later", "details": "daemon is starting"}'; exit 1)");
  const auto object = failed_add(env());
  EXPECT_EQ(object["code"], 11);
  EXPECT_EQ(object["msg"], "come back later");
  EXPECT_EQ(object["details"], "daemon is starting");
}

}  // namespace
}  // namespace berth::test
