// The tap plugin, run as a runtime runs it; what it did is read back from the kernel, and used by a program that
// attaches to the interface.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/fd.h"
#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kConfigError = 7;
constexpr int kUnsupported = 2;

class TapTest : public PluginTest {
 protected:
  TapTest() : PluginTest("tap") {}

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "there is no /dev/net/tun";
  }

  void use_layer_2() { config_.erase("ipam"); }

  static std::string details() { return must_run({"ip", "-n", "box", "-d", "link", "show", "dev", "eth0"}); }

  /// Attaches to the interface as a virtual machine monitor does.
  base::Fd attach(int flags) const {
    return netns().within([&] {
      auto tun = base::open_file("/dev/net/tun", O_RDWR);
      ifreq request{};
      std::string("eth0").copy(request.ifr_name, IFNAMSIZ - 1);
      request.ifr_flags = static_cast<short>(IFF_TAP | flags);
      base::check(::ioctl(tun.get(), TUNSETIFF, &request), "attach to", "eth0");
      return tun;
    });
  }
};

TEST_F(TapTest, AContainerHasATapInterfaceThatStays) {
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 1U);
  EXPECT_EQ(result["interfaces"][0],
            (Json{{"name", "eth0"}, {"mac", eth0().mac.to_string()}, {"sandbox", "/run/netns/box"}, {"mtu", 1500}}));
  EXPECT_EQ(result["ips"][0]["interface"], 0);
  ASSERT_TRUE(eth0().tun);
  EXPECT_TRUE(eth0().tun->is_tap);
  EXPECT_TRUE(eth0().tun->is_persistent);
  EXPECT_TRUE(eth0().is_up());
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.2/24"));
  EXPECT_EQ(sysctl_inside("net/ipv4/conf/eth0/arp_notify"), "1");
  expect_ok("CHECK");
}

TEST_F(TapTest, WithoutOwnerAndGroupItIsAPlainTap) {
  use_layer_2();
  add();
  EXPECT_THAT(details(), AllOf(HasSubstr("tun type tap pi off vnet_hdr off persist on"), Not(HasSubstr("user")),
                               Not(HasSubstr("group 1"))));
  expect_ok("DEL");
  config_["owner"] = 54321;
  add();
  EXPECT_THAT(details(), HasSubstr("tun type tap pi off vnet_hdr off persist on user 54321"));
}

TEST_F(TapTest, WithOwnerAndGroupItHasTheHeadersThatTheReferenceGivesIt) {
  use_layer_2();
  config_["owner"] = 1000;
  config_["group"] = 0;
  config_["mtu"] = 1400;
  config_["mac"] = "02:00:00:00:00:01";
  add();
  const auto tun = *eth0().tun;
  EXPECT_TRUE(tun.packet_information);
  EXPECT_TRUE(tun.vnet_header);
  EXPECT_EQ(tun.owner, 1000U);
  EXPECT_EQ(tun.group, 0U);
  EXPECT_EQ(eth0().mtu, 1400U) << "which the reference forgets";
  EXPECT_EQ(eth0().mac.to_string(), "02:00:00:00:00:01");
  expect_ok("CHECK");
}

TEST_F(TapTest, AProgramThatAttachesCarriesThePacketsOfTheContainer) {
  add();
  const auto tun = attach(IFF_NO_PI);
  EXPECT_TRUE(eth0().is_operational());
  // Somebody asks for a neighbour: the program reads the ARP request.
  const Background ping({"ip", "netns", "exec", "box", system_program("busybox"), "ping", "-c", "1", "10.1.0.9"});
  std::array<unsigned char, 2048> frame{};
  for (int packets = 0; packets < 20; ++packets) {
    const auto size = ::read(tun.get(), frame.data(), frame.size());
    ASSERT_GT(size, 14);
    if (frame[12] != 0x08 || frame[13] != 0x06) continue;  // ARP
    if (frame[38 + 3] != 9) continue;                      // the address asked for ends in 9
    EXPECT_EQ(net::MacAddress::from_bytes(&frame[6]), eth0().mac);
    return;
  }
  FAIL() << "no ARP request for 10.1.0.9";
}

TEST_F(TapTest, SeveralQueuesAreForSeveralThreads) {
  use_layer_2();
  config_["multiQueue"] = true;
  add();
  EXPECT_THAT(details(), HasSubstr("multi_queue"));
  const auto one = attach(IFF_NO_PI | IFF_MULTI_QUEUE);
  const auto two = attach(IFF_NO_PI | IFF_MULTI_QUEUE);
  EXPECT_TRUE(two);
  expect_ok("CHECK");
  config_["multiQueue"] = false;
  EXPECT_THAT(message("CHECK"), HasSubstr("multiQueue"));
}

TEST_F(TapTest, WithoutIpamTheInterfaceIsUpAndHasNoAddress) {
  use_layer_2();
  const auto result = add();
  EXPECT_FALSE(result.contains("ips") && !result["ips"].empty());
  EXPECT_TRUE(eth0().is_up());
  EXPECT_THAT(addresses(), IsEmpty());
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_FALSE(has_eth0());
}

TEST_F(TapTest, DualStackNeedsNoCarrier) {
  config_["ipam"]["ranges"] = Json::parse(R"([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]])");
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])");
  add();
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.2/24", "fd01::2/64"));
  EXPECT_THAT(must_run({"ip", "-n", "box", "-6", "address", "show", "dev", "eth0", "scope", "global"}),
              Not(HasSubstr("tentative")));
  expect_ok("CHECK");
}

TEST_F(TapTest, ItBecomesAPortOfABridgeInTheContainer) {
  use_layer_2();
  auto container = inside();
  container.create_bridge("br0", 0, false);
  config_["bridge"] = "br0";
  add();
  EXPECT_EQ(eth0().master, container.link("br0").index);
  expect_ok("CHECK");
  container.set_master(eth0().index, 0);
  EXPECT_THAT(message("CHECK"), HasSubstr("not a port of bridge br0"));
}

TEST_F(TapTest, AHardwareAddressMayComeFromFourPlacesInOrder) {
  use_layer_2();
  config_["mac"] = "02:00:00:00:00:01";
  EXPECT_EQ(add()["interfaces"][0]["mac"], "02:00:00:00:00:01");
  expect_ok("DEL");
  const Environment env{{"CNI_ARGS", "IgnoreUnknown=1;MAC=02:00:00:00:00:02"}};
  EXPECT_EQ(add(env)["interfaces"][0]["mac"], "02:00:00:00:00:02");
  expect_ok("DEL");
  config_["args"] = Json::parse(R"({"cni": {"mac": "02:00:00:00:00:03"}})");
  EXPECT_EQ(add(env)["interfaces"][0]["mac"], "02:00:00:00:00:03");
  expect_ok("DEL");
  config_["runtimeConfig"] = Json::parse(R"({"mac": "02:00:00:00:00:04"})");
  EXPECT_EQ(add(env)["interfaces"][0]["mac"], "02:00:00:00:00:04");
  EXPECT_EQ(eth0().mac.to_string(), "02:00:00:00:00:04");
}

TEST_F(TapTest, DnsOfTheConfigurationReplacesIpamsOnlyIfThereIsAny) {
  config_["ipam"]["resolvConf"] = write("resolv.conf", "nameserver 192.0.2.53\n");
  EXPECT_EQ(add()["dns"], Json::parse(R"({"nameservers": ["192.0.2.53"]})"));
  expect_ok("DEL");
  config_["dns"] = Json::parse(R"({"nameservers": ["192.0.2.54"]})");
  EXPECT_EQ(add()["dns"], config_["dns"]);
}

TEST_F(TapTest, EveryVersionOfTheResultCanBeHad) {
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    config_["cniVersion"] = version;
    config_["ipam"]["dataDir"] = scratch() + "/" + version;
    config_.erase("prevResult");
    const auto result = add();
    EXPECT_EQ(result["cniVersion"], version);
    const bool is_old = result.contains("ip4");
    EXPECT_EQ(is_old ? result["ip4"]["ip"] : result["ips"][0]["address"], "10.1.0.2/24") << version;
    expect_ok("DEL");
  }
  use_layer_2();
  config_["cniVersion"] = "0.2.0";
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("cannot convert: no valid IP addresses"));
}

TEST_F(TapTest, MistakesInTheConfigurationAreNamedAndChangeNothing) {
  struct Case {
    const char* keys;
    int code;
    const char* message;
  };
  const Case cases[] = {
      {R"({"multiQueue": "yes"})", kConfigError, "multiQueue"},
      {R"({"mtu": "1500"})", kConfigError, "\"1500\""},
      {R"({"mtu": 67})", kConfigError, "invalid mtu 67 (must be 0 or 68 to 65521)"},
      {R"({"mtu": 65522})", kConfigError, "invalid mtu 65522"},
      {R"({"mtu": -1})", kConfigError, "invalid mtu -1"},
      {R"({"mac": "02:00"})", kConfigError, "\"02:00\""},
      {R"({"mac": "01:00:00:00:00:01"})", kConfigError, "01:00:00:00:00:01"},
      {R"({"owner": -1})", kConfigError, "owner"},
      {R"({"owner": 4294967296})", kConfigError, "4294967296"},
      {R"({"group": "users"})", kConfigError, "group"},
      {R"({"bridge": "br9"})", kConfigError, "bridge \"br9\" does not exist in /run/netns/box"},
      {R"({"bridge": "lo"})", kConfigError, "bridge \"lo\" is not a bridge"},
      {R"({"bridge": "a/b"})", kConfigError, "a/b"},
      {R"({"ipam": {"type": "no-such-ipam"}})", kConfigError, "no-such-ipam"},
      {R"({"ipam": {"type": "static", "addresses": []}})", 999, "missing IP config"},
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

TEST_F(TapTest, ALabelIsRefusedWhereThereIsNoSelinux) {
  if (::access("/sys/fs/selinux/enforce", F_OK) == 0) GTEST_SKIP() << "this host has SELinux";
  config_["selinuxContext"] = "system_u:system_r:container_t:s0";
  const auto object = failed_add();
  EXPECT_EQ(object["code"], kUnsupported);
  EXPECT_THAT(object["msg"].get<std::string>(),
              HasSubstr("selinuxContext: \"system_u:system_r:container_t:s0\" is not supported here"));
}

TEST_F(TapTest, TheProgramThatTakesOnTheLabelMakesThePlainTap) {
  must_run({"ip", "netns", "exec", "box", built("tap"), "create-tap", "eth0", "0", "0", "0", "54321", "-"});
  EXPECT_THAT(details(), HasSubstr("tun type tap pi off vnet_hdr off persist on user 54321"));

  const auto again =
      run({"ip", "netns", "exec", "box", built("tap"), "create-tap", "eth0", "1", "0", "0", "54321", "-"});
  EXPECT_EQ(again.exit_status, EEXIST);
  EXPECT_THAT(again.error, HasSubstr("create tap eth0"));
}

TEST_F(TapTest, EveryFailureLeavesTheContainerAsItWas) {
  const auto plain = config_;
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}])");
  EXPECT_THAT(failed_add()["msg"].get<std::string>(), HasSubstr("192.0.2.0/24 via 198.51.100.1"));
  EXPECT_THAT(leases(), IsEmpty());

  config_ = plain;
  inside().create_bridge("eth0", 0, false);
  const auto object = failed_add();
  EXPECT_EQ(object["code"], 4);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("CNI_IFNAME=eth0 already exists in /run/netns/box"));
  expect_ok("DEL");
  EXPECT_TRUE(has_eth0()) << "it is somebody else's";
  inside().delete_link("eth0");

  EXPECT_EQ(failed_add({{"CNI_NETNS", "/run/netns/gone"}})["code"], 8);
}

TEST_F(TapTest, DelIsRepeatableAndNeedsNoNamespace) {
  const auto before = everything();
  add();
  expect_ok("DEL");
  EXPECT_EQ(everything(), before);
  expect_ok("DEL");
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  expect_ok("DEL", {{"CNI_NETNS", "/run/netns/gone"}});
  config_.erase("prevResult");
  config_["mtu"] = -1;
  expect_ok("DEL");
  EXPECT_EQ(everything(), before);
}

TEST_F(TapTest, DelWithoutANamespaceGivesTheAddressBack) {
  add();
  box_->remove();
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_F(TapTest, CheckNoticesWhatIsNotAsItWasMade) {
  config_["owner"] = 1000;
  config_["group"] = 1000;
  add();
  expect_ok("CHECK");
  const auto plain = config_;
  config_["owner"] = 1001;
  EXPECT_THAT(message("CHECK"), HasSubstr("owner"));
  config_ = plain;
  config_["group"] = 1001;
  EXPECT_THAT(message("CHECK"), HasSubstr("group"));
  config_ = plain;
  must_run({"ip", "-n", "box", "address", "del", "10.1.0.2/24", "dev", "eth0"});
  EXPECT_THAT(message("CHECK"), HasSubstr("10.1.0.2/24"));
  must_run({"ip", "-n", "box", "link", "set", "eth0", "mtu", "1400"});
  EXPECT_THAT(message("CHECK"), HasSubstr("mtu 1400"));
  must_run({"ip", "-n", "box", "link", "set", "eth0", "address", "02:00:00:00:00:99"});
  EXPECT_THAT(message("CHECK"), HasSubstr("02:00:00:00:00:99"));
  must_run({"ip", "-n", "box", "link", "set", "eth0", "down"});
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 is down"));
  inside().delete_link("eth0");
  EXPECT_THAT(message("CHECK"), HasSubstr("eth0 does not exist"));
  config_.erase("prevResult");
  EXPECT_EQ(error("CHECK")["code"], kConfigError);
}

TEST_F(TapTest, CheckNoticesATunThatTookItsName) {
  use_layer_2();
  add();
  inside().delete_link("eth0");
  must_run({"ip", "-n", "box", "tuntap", "add", "eth0", "mode", "tun"});
  must_run({"ip", "-n", "box", "link", "set", "eth0", "up"});
  config_["prevResult"]["interfaces"][0].erase("mac");
  EXPECT_THAT(message("CHECK"), HasSubstr("is not a tap"));
}

TEST_F(TapTest, GarbageCollectionAndStatusAreIpams) {
  add();
  NamedNetNs sibling("sibling");
  config_.erase("prevResult");
  add(attachment("sibling", sibling.path()));
  config_.erase("prevResult");
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "sibling", "ifname": "eth0"}])");
  expect_ok("GC");
  EXPECT_THAT(leases(), ElementsAre("10.1.0.3"));
  expect_ok("STATUS");
  config_["ipam"]["ranges"] =
      Json::parse(R"([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.3", "rangeEnd": "10.1.0.3"}]])");
  EXPECT_EQ(error("STATUS")["code"], 50);
}

}  // namespace
}  // namespace berth::test
