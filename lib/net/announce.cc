#include "net/announce.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "net/sysctl.h"

namespace berth::net {

namespace {

/// An unsolicited neighbour advertisement with its one option (RFC 4861, 4.4).
struct Advertisement {
  nd_neighbor_advert advert;
  nd_opt_hdr option;
  uint8_t mac[MacAddress::size()];
};
static_assert(sizeof(Advertisement) == 32);

/// The kernel itself sends a gratuitous ARP request for every address when a link's hardware address is set, also to
/// what it was. A packet socket could do it as well, but closing one waits for an RCU grace period (10 to 20 ms).
void announce_v4(Netlink& netlink, const Link& link) {
  const auto setting = "net/ipv4/conf/" + link.name + "/arp_notify";
  const bool notifies = sysctl::read(setting) != "0";
  if (!notifies) sysctl::write(setting, "1");
  try {
    netlink.set_mac(link.index, link.mac);
  } catch (const base::SystemError& error) {
    if (error.code() != EOPNOTSUPP) throw;
  }
  if (!notifies) sysctl::write(setting, "0");
}

void announce_v6(const base::Fd& socket, const Link& link, const IpAddress& address) {
  Advertisement packet{};
  packet.advert.nd_na_type = ND_NEIGHBOR_ADVERT;
  packet.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
  std::memcpy(&packet.advert.nd_na_target, address.bytes(), address.size());
  packet.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
  packet.option.nd_opt_len = 1;  // in units of 8 bytes
  std::memcpy(packet.mac, link.mac.bytes(), MacAddress::size());

  sockaddr_in6 all_nodes{};
  all_nodes.sin6_family = AF_INET6;
  all_nodes.sin6_scope_id = static_cast<uint32_t>(link.index);
  ::inet_pton(AF_INET6, "ff02::1", &all_nodes.sin6_addr);

  // The source is the announced address itself; the checksum is the kernel's job (RFC 3542, 3.1).
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))]{};
  iovec data{&packet, sizeof packet};
  msghdr message{};
  message.msg_name = &all_nodes;
  message.msg_namelen = sizeof all_nodes;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  auto* info = CMSG_FIRSTHDR(&message);
  info->cmsg_level = IPPROTO_IPV6;
  info->cmsg_type = IPV6_PKTINFO;
  info->cmsg_len = CMSG_LEN(sizeof(in6_pktinfo));
  in6_pktinfo source{};
  source.ipi6_ifindex = static_cast<unsigned>(link.index);
  std::memcpy(&source.ipi6_addr, address.bytes(), address.size());
  std::memcpy(CMSG_DATA(info), &source, sizeof source);
  // A courtesy, and datagrams get lost anyway: an address that is not usable yet (duplicate detection) is no failure.
  ::sendmsg(socket.get(), &message, MSG_DONTWAIT);
}

base::Fd open_icmpv6() {
  base::Fd socket(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
  base::check(socket.get(), "open an ICMPv6 socket");
  const int hops = 255;  // receivers ignore neighbour discovery that has been routed (RFC 4861, 7.1.2)
  base::check(::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops),
              "set the hop limit of an ICMPv6 socket");
  return socket;
}

}  // namespace

void announce(Netlink& netlink, const Link& link, const std::vector<IpNet>& addresses) {
  if (!link.resolves()) return;
  if (std::any_of(addresses.begin(), addresses.end(), [](const IpNet& net) { return net.is_v4(); })) {
    announce_v4(netlink, link);
  }
  base::Fd icmpv6;
  for (const auto& net : addresses) {
    if (net.is_v4()) continue;
    if (!icmpv6) {
      icmpv6 = open_icmpv6();
      // Asking for a link makes the kernel finish pending work on its carrier; without that it has no multicast route.
      netlink.link(link.index);
    }
    announce_v6(icmpv6, link, net.address);
  }
}

}  // namespace berth::net
