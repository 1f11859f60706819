#include "socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/error.h"
#include "datagram.h"

namespace berth::dhcp {

namespace {

constexpr size_t kLargestPacket = 65536;

/// IPv4, UDP, no later fragment, to the client's port; offsets from the IP header (linux/filter.h).
constexpr sock_filter kOnlyForClients[] = {
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 9},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 6, IPPROTO_UDP},
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 6},
    {BPF_JMP | BPF_JSET | BPF_K, 4, 0, 0x1fff},
    {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0},
    {BPF_LD | BPF_H | BPF_IND, 0, 0, 2},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, kClientPort},
    {BPF_RET | BPF_K, 0, 0, kLargestPacket - 1},
    {BPF_RET | BPF_K, 0, 0, 0},
};

void attach_filter(const base::Fd& socket) {
  sock_fprog program{};
  program.len = std::size(kOnlyForClients);
  program.filter = const_cast<sock_filter*>(kOnlyForClients);
  base::check(::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program),
              "filter a packet socket");
}

sockaddr_ll everybody_on(int index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IP);
  address.sll_ifindex = index;
  address.sll_halen = ETH_ALEN;
  std::memset(address.sll_addr, 0xff, ETH_ALEN);
  return address;
}

void set_option(const base::Fd& socket, int level, int option, const char* what) {
  const int on = 1;
  base::check(::setsockopt(socket.get(), level, option, &on, sizeof on), what);
}

std::optional<Message> decode(std::string_view payload) {
  try {
    return Message::decode(payload);
  } catch (const std::invalid_argument&) {
    return std::nullopt;  // whatever somebody sends to this port
  }
}

/// The kernel says of a packet from this machine that its checksum is not computed yet.
bool is_checksum_ready(msghdr& header) {
  for (auto* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data{};
    std::memcpy(&data, CMSG_DATA(control), sizeof data);
    return (data.tp_status & TP_STATUS_CSUMNOTREADY) == 0;
  }
  return true;
}

in_addr kernel_address(const net::IpAddress& address) {
  in_addr result{};
  std::memcpy(&result, address.bytes(), sizeof result);
  return result;
}

}  // namespace

PacketSocket::PacketSocket(int link_index) : index_(link_index) {
  // Protocol 0 hears nothing until it is bound, so that no packet passes before the filter is there.
  fd_.reset(base::check(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "open a packet socket"));
  attach_filter(fd_);
  set_option(fd_, SOL_PACKET, PACKET_AUXDATA, "ask a packet socket for checksum states");
  const auto address = everybody_on(index_);
  base::check(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              "bind a packet socket to link #" + std::to_string(index_));
}

void PacketSocket::broadcast(const Message& message) const {
  const Datagram datagram{net::IpAddress(), net::IpAddress::parse("255.255.255.255"), message.encode()};
  const auto packet = datagram.encode();
  const auto address = everybody_on(index_);
  base::check(
      ::sendto(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&address), sizeof address),
      "send to everybody on link #" + std::to_string(index_));
}

std::optional<Message> PacketSocket::receive() const {
  std::string buffer(kLargestPacket, '\0');
  for (;;) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
    iovec data{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(fd_.get(), &header, 0);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == ENETDOWN) return std::nullopt;
      base::throw_errno("receive on link #" + std::to_string(index_));
    }
    const auto packet = std::string_view(buffer).substr(0, static_cast<size_t>(size));
    const auto datagram = Datagram::decode(packet, is_checksum_ready(header));
    if (!datagram) continue;
    if (auto message = decode(datagram->payload)) return message;
  }
}

UdpSocket::UdpSocket(const std::string& ifname) {
  fd_.reset(base::check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "open a UDP socket"));
  if (ifname.empty()) return;
  set_option(fd_, SOL_SOCKET, SO_REUSEADDR, "share the DHCP client's port");
  set_option(fd_, SOL_SOCKET, SO_BROADCAST, "permit broadcasts");
  base::check(
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_BINDTODEVICE, ifname.data(), static_cast<socklen_t>(ifname.size())),
      "bind a UDP socket to", ifname);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kClientPort);
  base::check(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              "bind to the DHCP client's port of", ifname);
}

void UdpSocket::send(const Message& message, const std::optional<net::IpAddress>& source,
                     const net::IpAddress& destination) const {
  const auto payload = message.encode();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kServerPort);
  address.sin_addr = kernel_address(destination);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))]{};
  iovec data{const_cast<char*>(payload.data()), payload.size()};
  msghdr header{};
  header.msg_name = &address;
  header.msg_namelen = sizeof address;
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (source) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    auto* info = CMSG_FIRSTHDR(&header);
    info->cmsg_level = IPPROTO_IP;
    info->cmsg_type = IP_PKTINFO;
    info->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo from{};
    from.ipi_spec_dst = kernel_address(*source);
    std::memcpy(CMSG_DATA(info), &from, sizeof from);
  }
  base::check(::sendmsg(fd_.get(), &header, MSG_NOSIGNAL), "send to", destination.to_string());
}

std::optional<Message> UdpSocket::receive() const {
  std::string buffer(kLargestPacket, '\0');
  for (;;) {
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) {
      if (errno == EINTR) continue;
      // What ICMP says of an earlier message: whoever sent it repeats it anyway.
      if (errno == EAGAIN || errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)
        return std::nullopt;
      base::throw_errno("receive at the DHCP client's port");
    }
    if (auto message = decode(std::string_view(buffer).substr(0, static_cast<size_t>(size)))) return message;
  }
}

bool UdpSocket::has_sent_all() const {
  int unsent = 0;
  return ::ioctl(fd_.get(), SIOCOUTQ, &unsent) != 0 || unsent == 0;
}

}  // namespace berth::dhcp
