// After the bridge plugin's ADD: masquerading, DEL, CHECK, GC, STATUS; many attachments at once; spoofed addresses.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <thread>

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kConfigError = 7;

TEST_F(BridgeTest, MasqueradingIsAddedCheckedAndRemovedWithoutTheNamespace) {
  config_["ipMasq"] = true;
  const auto before = masquerade_rules();
  add();
  EXPECT_THAT(masquerade_rules(), AllOf(HasSubstr("10.1.0.2"), HasSubstr("MASQUERADE")));
  expect_ok("CHECK");
  box_->remove();
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_THAT(masquerade_rules(), Not(HasSubstr("10.1.0.2")));
  EXPECT_EQ(base::read_file("/proc/self/mounts").find("netns/box"), std::string::npos);
}

TEST_F(BridgeTest, CheckMissesMasqueradingThatIsGone) {
  use_legacy_iptables();
  config_["ipMasq"] = true;
  add();
  must_run({"iptables-legacy", "-t", "nat", "-F", "POSTROUTING"});
  EXPECT_THAT(message("CHECK"), HasSubstr("masquerading"));
}

TEST_F(BridgeTest, DelIsRepeatableAndNeedsNoNamespace) {
  add();
  const auto with_previous = config_;
  expect_ok("DEL");
  EXPECT_FALSE(inside().find_link("eth0"));
  EXPECT_TRUE(Netlink::here().find_link("br0")) << "the bridge belongs to the network";
  expect_ok("DEL");
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  expect_ok("DEL", {{"CNI_NETNS", "/run/netns/gone"}});
  base::write_file_atomic(scratch() + "/left-over", "", 0644);
  expect_ok("DEL", {{"CNI_NETNS", scratch() + "/left-over"}});
  config_.erase("prevResult");
  expect_ok("DEL");
  config_["vlan"] = 9999;
  expect_ok("DEL");
}

TEST_F(BridgeTest, DelAfterAnAddThatFailedTouchesNothing) {
  config_["ipMasq"] = true;
  inside().create_bridge("eth0", 0, false);
  const auto before = everything();
  failed_add();
  expect_ok("DEL");
  config_["ipMasqBackend"] = "pf";
  expect_ok("DEL");
  EXPECT_EQ(everything(), before) << "neither the interface that was in the way nor an empty table";
}

TEST_F(BridgeTest, DelGivesTheAddressBack) {
  add();
  expect_ok("DEL");
  EXPECT_THAT(host_state(), Not(HasSubstr("/var/lib/cni/networks/net/10.1.0.2")));
}

TEST_F(BridgeTest, DelRemovesTheHostsEndOfANamespaceThatIsOutOfReach) {
  add();
  const auto veth = port().name;
  const auto alive = netns();
  box_->remove();
  expect_ok("DEL");
  EXPECT_FALSE(Netlink::here().find_link(veth));
}

TEST_F(BridgeTest, DelFindsTheHostsEndWithoutNamespaceAndPreviousResult) {
  const auto plain = config_;
  add();
  const auto veth = port().name;
  config_ = plain;
  expect_ok("DEL", {{"CNI_NETNS", ""}, {"CNI_CONTAINERID", "another"}});
  EXPECT_TRUE(Netlink::here().find_link(veth)) << "another's";
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_FALSE(Netlink::here().find_link(veth));
}

TEST_F(BridgeTest, ANameThatIsTakenOnTheHostIsLeftToWhoHasIt) {
  const auto plain = config_;
  add();
  const auto taken = port().name;
  expect_ok("DEL");
  config_ = plain;
  must_run({"ip", "link", "add", taken, "type", "veth", "peer", "name", "peer"});
  must_run({"ip", "link", "set", taken, "alias", "mine"});
  add();
  EXPECT_NE(taken, port().name);
  const auto veth = port().name;
  config_ = plain;
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_FALSE(Netlink::here().find_link(veth));
  EXPECT_TRUE(Netlink::here().find_link(taken));
}

TEST_F(BridgeTest, CheckNeedsThePreviousResult) {
  add();
  config_.erase("prevResult");
  const auto object = error("CHECK");
  EXPECT_EQ(object["code"], kConfigError);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("prevResult"));
}

/// Each is a change behind the plugin's back that CHECK must notice, by what it says then.
struct Tampering {
  const char* what;
  std::vector<std::string> command;  ///< "PORT" stands for the host's end.
  const char* message;
};

TEST_F(BridgeTest, CheckNoticesEachKindOfTampering) {
  use_dual_stack();
  const Tampering cases[] = {
      {"address", {"ip", "-n", "box", "address", "del", "10.1.0.2/24", "dev", "eth0"}, "10.1.0.2/24"},
      {"IPv6 address", {"ip", "-n", "box", "address", "del", "fd01::2/64", "dev", "eth0"}, "fd01::2/64"},
      {"route", {"ip", "-n", "box", "route", "del", "default"}, "route 0.0.0.0/0"},
      {"IPv6 route", {"ip", "-n", "box", "-6", "route", "del", "default"}, "route ::/0"},
      {"container down", {"ip", "-n", "box", "link", "set", "eth0", "down"}, "eth0"},
      {"container MAC",
       {"ip", "-n", "box", "link", "set", "eth0", "address", "02:00:00:00:00:99"},
       "02:00:00:00:00:99"},
      {"container gone", {"ip", "-n", "box", "link", "del", "eth0"}, "eth0 does not exist"},
      {"port gone from the bridge", {"ip", "link", "set", "PORT", "nomaster"}, "is not a port of bridge br0"},
      {"port down", {"ip", "link", "set", "PORT", "down"}, "is down"},
      {"hairpin", {"ip", "link", "set", "PORT", "type", "bridge_slave", "hairpin", "on"}, "hairpinMode"},
      {"isolation", {"ip", "link", "set", "PORT", "type", "bridge_slave", "isolated", "on"}, "portIsolation"},
      {"promiscuous bridge", {"ip", "link", "set", "br0", "promisc", "on"}, "promiscMode"},
      {"bridge MAC", {"ip", "link", "set", "br0", "address", "02:00:00:00:00:98"}, "02:00:00:00:00:98"},
      {"bridge down", {"ip", "link", "set", "br0", "down"}, "br0 is down"},
      {"gateway address", {"ip", "address", "del", "10.1.0.1/24", "dev", "br0"}, "gateway address 10.1.0.1/24"},
      {"bridge gone", {"ip", "link", "del", "br0"}, "br0 does not exist"},
      {"leases", {"rm", "-r", "/var/lib/cni/networks/net"}, ""},
  };
  const auto plain = config_;
  for (const auto& tampering : cases) {
    SCOPED_TRACE(tampering.what);
    config_ = plain;
    config_["ipam"]["ranges"][0][0]["rangeStart"] = "10.1.0.2";
    config_["runtimeConfig"] = Json::parse(R"({"ips": ["10.1.0.2", "fd01::2"]})");
    add();
    expect_ok("CHECK");
    auto command = tampering.command;
    std::replace(command.begin(), command.end(), std::string("PORT"), port().name);
    must_run(command);
    EXPECT_THAT(message("CHECK"), HasSubstr(tampering.message));
    expect_ok("DEL");
    Netlink::here().delete_link("br0");
  }
}

TEST_F(BridgeTest, CheckNoticesAnotherInterfaceOfTheSameName) {
  use_layer_2();
  add();
  inside().delete_link("eth0");
  inside().create_bridge("eth0", 0, false);
  EXPECT_THAT(message("CHECK"), HasSubstr("is not a veth"));
}

TEST_F(BridgeTest, GarbageOfAttachmentsThatAreNotValidIsCollected) {
  use_legacy_iptables();
  config_["cniVersion"] = "1.1.0";
  config_["ipMasq"] = true;
  const auto plain = config_;
  add();
  NamedNetNs other("other");
  config_ = plain;
  add({{"CNI_CONTAINERID", "other"}, {"CNI_NETNS", other.path()}});
  ASSERT_THAT(masquerade_rules(), AllOf(HasSubstr("10.1.0.2"), HasSubstr("10.1.0.3")));

  config_ = plain;
  config_["cni.dev/valid-attachments"] = Json::parse(R"([{"containerID": "other", "ifname": "eth0"}])");
  expect_ok("GC");
  EXPECT_THAT(masquerade_rules(), AllOf(Not(HasSubstr("10.1.0.2")), HasSubstr("10.1.0.3")));
  EXPECT_THAT(host_state(), AllOf(Not(HasSubstr("/networks/net/10.1.0.2")), HasSubstr("/networks/net/10.1.0.3")));
  // Its namespace lives, its interface does not; that of the valid attachment, and of other networks, does.
  EXPECT_FALSE(inside().find_link("eth0"));
  EXPECT_TRUE(net::Netlink::in(other.open()).find_link("eth0"));
  config_["name"] = "other";
  config_["cni.dev/valid-attachments"] = Json::array();
  expect_ok("GC");
  EXPECT_TRUE(net::Netlink::in(other.open()).find_link("eth0"));
}

TEST_F(BridgeTest, StatusSaysWhetherAddWouldWork) {
  config_["cniVersion"] = "1.1.0";
  config_["ipMasq"] = true;
  expect_ok("STATUS");
  config_["bridge"] = "lo";
  EXPECT_EQ(error("STATUS")["code"], 50);
  config_["bridge"] = "br0";
  config_["ipMasqBackend"] = "pf";
  EXPECT_EQ(error("STATUS")["code"], 50);
}

TEST_F(BridgeTest, ManyAtOnceShareOneBridgeThatNoneOfThemFound) {
  constexpr int kContainers = 12;
  std::vector<std::unique_ptr<NamedNetNs>> boxes;
  for (int i = 0; i < kContainers; ++i) boxes.push_back(std::make_unique<NamedNetNs>("box" + std::to_string(i)));
  std::vector<base::CommandResult> results(kContainers);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kContainers; ++i) {
    threads.emplace_back([&, i] {
      results[i] = call("ADD", {{"CNI_CONTAINERID", "box" + std::to_string(i)}, {"CNI_NETNS", boxes[i]->path()}});
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> given;
  for (const auto& result : results) {
    ASSERT_TRUE(result.ok()) << result.output << result.error;
    given.insert(Json::parse(result.output)["ips"][0]["address"].get<std::string>());
  }
  EXPECT_EQ(given.size(), static_cast<size_t>(kContainers));
  auto host = Netlink::here();
  EXPECT_EQ(host.ports(host.link("br0").index).size(), static_cast<size_t>(kContainers));
  EXPECT_THAT(addresses(Netlink::here(), "br0"), ElementsAre(IpNet::parse("10.1.0.1/24")));
}

TEST_F(BridgeTest, AContainerCannotSpeakUnderAnotherHardwareAddress) {
  if (system_program("nft").empty()) GTEST_SKIP() << "nftables is not installed";
  const auto ruleset = [] { return must_run({"nft", "list", "ruleset"}); };
  config_["macspoofchk"] = true;
  config_["isGateway"] = true;
  const auto mac = add()["interfaces"][2]["mac"].get<std::string>();
  expect_ok("CHECK");
  const auto reaches_the_gateway = [&] {
    must_run({"ip", "-n", "box", "neigh", "flush", "dev", "eth0"});
    return box_->open().within([] {
      return run({system_program("busybox"), "ping", "-c", "1", "-W", "1", "10.1.0.1"}).ok();
    });
  };
  const auto set_mac = [](const std::string& address) {
    must_run({"ip", "-n", "box", "link", "set", "eth0", "address", address});
  };
  EXPECT_TRUE(reaches_the_gateway());
  set_mac("02:00:00:00:00:99");
  EXPECT_FALSE(reaches_the_gateway());
  set_mac(mac);
  EXPECT_TRUE(reaches_the_gateway());
  must_run({"nft", "flush", "set", "bridge", "berth", "allowed-senders"});
  EXPECT_THAT(message("CHECK"), HasSubstr("spoofed"));
  box_->remove();
  for (int time = 0; time < 2; ++time) expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_EQ("", ruleset());
}

}  // namespace
}  // namespace berth::test
