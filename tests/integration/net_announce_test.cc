// Waiting for links and addresses to be usable, and telling neighbours of new ones.

#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "net/announce.h"
#include "net/sysctl.h"
#include "net/wait.h"
#include "support/netlink.h"

namespace berth::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST_F(NetlinkTest, WaitingEndsWhenTheOtherEndComesUp) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  auto here = Netlink::here();
  auto pair = pair_to(netns);
  here.create_veth(pair);
  const int near = here.link("near0").index;
  EXPECT_FALSE(wait_until_operational(near, milliseconds(20)));

  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(50));
    set_up(netns, "eth0");
  });
  const auto start = steady_clock::now();
  EXPECT_TRUE(wait_until_operational(near, milliseconds(5000)));
  EXPECT_LT(steady_clock::now() - start, milliseconds(1500));
  later.join();
}

TEST_F(NetlinkTest, WaitingForDuplicateDetectionEndsWithItsVerdict) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  auto here = Netlink::here();
  here.create_veth(pair_to(netns));
  set_up(netns, "eth0");
  const int near = here.link("near0").index;
  ASSERT_TRUE(wait_until_operational(near, milliseconds(2000)));

  here.add_address(near, {IpNet::parse("fd00::1/64"), false, 0});
  EXPECT_TRUE(wait_for_dad(near, milliseconds(5000)));

  auto inside = Netlink::in(netns);
  inside.add_address(inside.link("eth0").index, {IpNet::parse("fd00::2/64"), true, 0});
  here.add_address(near, {IpNet::parse("fd00::2/64"), false, 0});
  EXPECT_THROW(wait_for_dad(near, milliseconds(5000)), std::runtime_error);
}

/// Every Ethernet frame that arrives at a link within a moment.
std::vector<std::string> frames_at(const base::Fd& socket) {
  std::vector<std::string> frames;
  pollfd waiting{socket.get(), POLLIN, 0};
  while (::poll(&waiting, 1, 200) > 0) {
    std::string frame(2048, '\0');
    const auto size = ::recv(socket.get(), frame.data(), frame.size(), 0);
    if (size > 0) frames.push_back(frame.substr(0, static_cast<size_t>(size)));
  }
  return frames;
}

base::Fd listen_at(int index) {
  base::Fd socket(base::check(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), "open packet socket"));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  base::check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind packet socket");
  return socket;
}

TEST_F(NetlinkTest, NewAddressesAreAnnouncedInBothFamilies) {
  const test::NamedNetNs there("there");
  const auto netns = there.open();
  auto here = Netlink::here();
  auto pair = pair_to(netns);
  pair.far.mac = MacAddress::parse("02:00:00:00:00:07");
  here.create_veth(pair);
  set_up(netns, "eth0");
  const auto v4 = IpNet::parse("10.1.0.2/24");
  const auto v6 = IpNet::parse("fd00::2/64");
  const auto socket = listen_at(here.link("near0").index);

  netns.within([&] {
    auto inside = Netlink::here();
    const auto eth0 = inside.link("eth0");
    inside.add_address(eth0.index, {v4, false, 0});
    inside.add_address(eth0.index, {v6, true, 0});
    announce(inside, eth0, {v4, v6});
    EXPECT_EQ(sysctl::read("net/ipv4/conf/eth0/arp_notify"), "0") << "the setting was not put back";
  });

  bool arp = false;
  bool advertisement = false;
  for (const auto& frame : frames_at(socket)) {
    const auto type = frame.substr(12, 2);
    const std::string sender(reinterpret_cast<const char*>(v4.address.bytes()), 4);
    const std::string target(reinterpret_cast<const char*>(v6.address.bytes()), 16);
    // ARP: sender address at 28, target at 38. ICMPv6: type at 54, flags at 58, target at 62, link address at 80.
    if (type == "\x08\x06" && frame.substr(28, 4) == sender && frame.substr(38, 4) == sender) arp = true;
    if (type == "\x86\xdd" && frame[54] == '\x88' && frame[58] == '\x20' && frame.substr(62, 16) == target &&
        MacAddress::from_bytes(frame.data() + 80) == *pair.far.mac) {
      advertisement = true;
      EXPECT_EQ(static_cast<uint8_t>(frame[21]), 255);
      EXPECT_EQ(frame.substr(22, 16), target) << "the source is the address itself";
    }
  }
  EXPECT_TRUE(arp) << "no gratuitous ARP was seen";
  EXPECT_TRUE(advertisement) << "no unsolicited neighbour advertisement was seen";
}

}  // namespace
}  // namespace berth::net
