// The addresses of a Netlink: RTM_{NEW,GET,DEL}ADDR (rtnetlink(7), include/uapi/linux/if_addr.h).
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>

#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

constexpr unsigned kSmallestPrefixWithoutBroadcast = 31;

Message address_message(uint16_t type, int index, const IpNet& address, uint8_t scope, unsigned message_flags) {
  ifaddrmsg info{};
  info.ifa_family = static_cast<uint8_t>(address.address.address_family());
  info.ifa_prefixlen = static_cast<uint8_t>(address.prefix);
  info.ifa_scope = scope;
  info.ifa_index = static_cast<uint32_t>(index);
  Message message(type, message_flags);
  message.header(info);
  message.put_address(IFA_LOCAL, address.address);
  message.put_address(IFA_ADDRESS, address.address);
  return message;
}

std::optional<LinkAddress> read_address(nlmsghdr* message, int index) {
  std::array<nlattr*, IFA_MAX + 1> tb{};
  nlmsg_parse(message, sizeof(ifaddrmsg), tb.data(), IFA_MAX, nullptr);
  const auto* info = static_cast<const ifaddrmsg*>(nlmsg_data(message));
  // IFA_ADDRESS is the other end's on point-to-point links; IPv6 has IFA_LOCAL only there.
  nlattr* local = tb[IFA_LOCAL] != nullptr ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
  const bool is_ip = info->ifa_family == AF_INET || info->ifa_family == AF_INET6;
  if (static_cast<int>(info->ifa_index) != index || !is_ip || local == nullptr) return std::nullopt;
  const auto family = info->ifa_family == AF_INET ? Family::kIpv4 : Family::kIpv6;
  LinkAddress address;
  address.address = {IpAddress::from_bytes(family, nla_data(local)), info->ifa_prefixlen};
  address.flags = tb[IFA_FLAGS] != nullptr ? nla_get_u32(tb[IFA_FLAGS]) : info->ifa_flags;
  address.scope = info->ifa_scope;
  return address;
}

std::string describe(const IpNet& address, int index) {
  return address.to_string() + " on link #" + std::to_string(index);
}

}  // namespace

std::vector<LinkAddress> Netlink::addresses(int index, std::optional<Family> family) {
  ifaddrmsg info{};
  info.ifa_family = static_cast<uint8_t>(family ? IpAddress::any(*family).address_family() : AF_UNSPEC);
  info.ifa_index = static_cast<uint32_t>(index);
  Message message(RTM_GETADDR);
  message.header(info);
  std::vector<LinkAddress> all;
  connection_->dump(
      std::move(message), "list addresses of link #" + std::to_string(index), [&] { all.clear(); },
      [&](nlmsghdr* answer) {
        if (const auto address = read_address(answer, index)) all.push_back(*address);
      });
  return all;
}

void Netlink::add_address(int index, const NewAddress& address) {
  const IpNet& net = address.address;
  auto message = address_message(RTM_NEWADDR, index, net, address.scope, NLM_F_CREATE | NLM_F_EXCL);
  if (net.is_v4() && net.prefix < kSmallestPrefixWithoutBroadcast) message.put_address(IFA_BROADCAST, net.last());
  if (address.no_dad && !net.is_v4()) message.put_u32(IFA_FLAGS, IFA_F_NODAD);
  connection_->change(std::move(message), "add address " + describe(net, index));
}

bool Netlink::delete_address(int index, const IpNet& address) {
  return connection_->try_change(address_message(RTM_DELADDR, index, address, 0, 0),
                                 "delete address " + describe(address, index), {EADDRNOTAVAIL, ENODEV});
}

}  // namespace berth::net
