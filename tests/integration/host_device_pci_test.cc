// The host-device plugin with real PCI devices, by their addresses: network cards of a virtual machine, with the
// kernel's driver and with those that hand a card to a program whole.

#include <gmock/gmock.h>
#include <sys/mount.h>

#include "base/error.h"
#include "support/cards.h"
#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using net::Netlink;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HostDevicePciTest : public PluginTest {
 protected:
  HostDevicePciTest() : PluginTest("host-device") {}

  void SetUp() override {
    cards_ = spare_cards();
    if (cards_.size() < 2) GTEST_SKIP() << "this kernel has no PCI network cards to spare (run by tests/vm/run)";
    PluginTest::SetUp();
    if (IsSkipped()) return;
    config_["ipam"]["ranges"][0][0]["rangeStart"] = "10.1.0.2";
  }

  void TearDown() override {
    if (has_own_sysfs_) ::umount2("/sys", MNT_DETACH);
    for (const auto& card : cards_) card.bind("");
    PluginTest::TearDown();
  }

  const Card& card() const { return cards_[0]; }

  /// The card is on this host, as "card0", and at the other end of its cable a machine ("peer") with 10.1.0.1/24.
  void use_card() {
    card().come("card0");
    cards_[1].come("card1");
    peer_ = std::make_unique<NamedNetNs>("peer");
    // sysfs shows interfaces of the namespace it was mounted in.
    base::check(::mount("sysfs", "/sys", "sysfs", 0, nullptr), "mount sysfs");
    has_own_sysfs_ = true;
    must_run({"ip", "link", "set", "card1", "netns", "peer"});
    must_run({"ip", "-n", "peer", "address", "add", "10.1.0.1/24", "dev", "card1"});
    must_run({"ip", "-n", "peer", "link", "set", "card1", "up"});
  }

  /// The kernel gives the card to the machine, for which this test has a namespace of its own.
  static void wait_until_returned(const net::MacAddress& mac) {
    auto machine = Netlink::in(namespace_of_the_machine());
    const auto is_it = [&](const net::Link& link) { return link.mac == mac; };
    const auto returned = [&] {
      const auto links = machine.links();
      const auto found = std::find_if(links.begin(), links.end(), is_it);
      return found == links.end() ? std::nullopt : std::optional(*found);
    };
    ASSERT_TRUE(eventually([&] { return returned().has_value(); }, kPatience));
    machine.move_link(returned()->index, net::NetNs::current(), returned()->name, returned()->alias);
  }

  static std::optional<net::Link> on_host() { return Netlink::here().find_link("card0"); }

  std::vector<Card> cards_;
  std::unique_ptr<NamedNetNs> peer_;
  bool has_own_sysfs_ = false;
};

TEST_F(HostDevicePciTest, ACardIsLentByItsAddressAndGivenBack) {
  use_card();
  const auto before = *on_host();
  config_["pciBusID"] = card().id();
  const auto result = add();
  EXPECT_EQ(result["interfaces"][0]["mac"], before.mac.to_string());
  EXPECT_FALSE(on_host());
  EXPECT_EQ(eth0().mac, before.mac);
  EXPECT_EQ(eth0().alias, "card0");
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.2/24"));
  EXPECT_TRUE(ping("box", "10.1.0.1"));
  expect_ok("CHECK");
  EXPECT_THAT(message("ADD", attachment("other", peer_->path())), HasSubstr("has no interface in the host's namespace"))
      << "it is lent";

  expect_ok("DEL");
  ASSERT_TRUE(on_host());
  EXPECT_EQ(on_host()->mac, before.mac);
  EXPECT_EQ(on_host()->alias, "");
  EXPECT_FALSE(on_host()->is_up());
  EXPECT_THAT(leases(), IsEmpty());
}

TEST_F(HostDevicePciTest, ACardOfANamespaceThatIsGoneIsTheMachinesAgainAndGetsItsNameBack) {
  use_card();
  config_["runtimeConfig"]["deviceID"] = card().id();
  for (const std::string name : {"card0", "eth0"}) {
    SCOPED_TRACE(name);
    if (name != "card0") must_run({"ip", "link", "set", "card0", "name", name});
    box_.reset();
    box_ = std::make_unique<NamedNetNs>("box");
    add();
    expect_ok("CHECK");
    const auto mac = eth0().mac;
    box_->remove();
    wait_until_returned(mac);
    for (const char* time : {"first", "second"}) {
      expect_ok("DEL");
      const auto returned = Netlink::here().find_link(name);
      ASSERT_TRUE(returned) << time;
      EXPECT_EQ(returned->mac, mac);
      EXPECT_EQ(returned->alias, "");
    }
    EXPECT_THAT(leases(), IsEmpty());
  }
}

TEST_F(HostDevicePciTest, ACardWithoutDriverHasNoInterface) {
  card().bind("");
  config_["pciBusID"] = card().id();
  EXPECT_THAT(message("ADD"), HasSubstr("PCI device \"" + card().id() + "\" has no interface in the host's namespace"));
  EXPECT_THAT(leases(), IsEmpty());
}

/// With a driver that hands the card to a program.
class HostDeviceInUserSpaceTest : public HostDevicePciTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(HostDeviceInUserSpaceTest, ItHasAddressesAndNoInterface) {
  card().bind(GetParam());
  config_["pciBusID"] = card().id();
  const auto result = add();
  EXPECT_EQ(result["ips"][0]["address"], "10.1.0.2/24");
  EXPECT_FALSE(result["ips"][0].contains("interface"));
  EXPECT_TRUE(!result.contains("interfaces") || result["interfaces"].empty()) << result;
  EXPECT_FALSE(has_eth0());
  expect_ok("CHECK");
  EXPECT_EQ(card().driver(), GetParam());

  // What somebody else has called eth0 is none of ours.
  inside().create_bridge("eth0", 0, false);
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_TRUE(has_eth0());
  inside().delete_link("eth0");
  EXPECT_EQ(card().driver(), GetParam());
  EXPECT_THAT(leases(), IsEmpty());
  expect_ok("DEL");

  config_["runtimeConfig"]["deviceID"] = card().id();
  config_["pciBusID"] = "0000:ff:1f.7";
  add();
  expect_ok("DEL", {{"CNI_NETNS", ""}});
  EXPECT_THAT(leases(), IsEmpty());

  config_.erase("ipam");
  const auto bare = add();
  EXPECT_FALSE(bare.contains("ips") && !bare["ips"].empty()) << bare;
  expect_ok("CHECK");
  expect_ok("DEL");
}

INSTANTIATE_TEST_SUITE_P(Drivers, HostDeviceInUserSpaceTest, ::testing::Values("vfio-pci", "uio_pci_generic"),
                         [](const auto& driver) {
                           std::string name = driver.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace berth::test
