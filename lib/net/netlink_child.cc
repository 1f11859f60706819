// Links that exist beside or on top of others: dummy, macvlan, ipvlan, VLAN (include/uapi/linux/if_link.h).
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

/// A new link of this kind; `settings` puts what its kind needs to know.
template <class Settings>
Message new_link(const ChildLink& link, const char* kind, Settings&& settings) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(ifinfomsg{});
  message.put(IFLA_IFNAME, link.name);
  if (link.parent != 0) message.put_u32(IFLA_LINK, static_cast<uint32_t>(link.parent));
  if (link.netns != nullptr) message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(link.netns->fd().get()));
  if (link.mtu != 0) message.put_u32(IFLA_MTU, link.mtu);
  if (link.mac) message.put_bytes(IFLA_ADDRESS, link.mac->bytes(), MacAddress::size());
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, kind);
    message.nest(IFLA_INFO_DATA, [&] { settings(message); });
  });
  return message;
}

std::string creation_of(const ChildLink& link, const std::string& kind) {
  std::string text = "create " + kind + " " + link.name + " on link #" + std::to_string(link.parent);
  if (link.mtu != 0) text += " with mtu " + std::to_string(link.mtu);
  return text;
}

}  // namespace

void Netlink::create_dummy(const std::string& name) {
  ChildLink link;
  link.name = name;
  connection_->change(new_link(link, "dummy", [](Message&) {}), "create dummy " + name);
}

void Netlink::create_macvlan(const ChildLink& link, MacvlanMode mode, uint32_t broadcast_queue_length) {
  auto message = new_link(link, "macvlan", [&](Message& settings) {
    settings.put_u32(IFLA_MACVLAN_MODE, static_cast<uint32_t>(mode));
    if (broadcast_queue_length != 0) settings.put_u32(IFLA_MACVLAN_BC_QUEUE_LEN, broadcast_queue_length);
  });
  connection_->change(std::move(message), creation_of(link, "macvlan"));
}

void Netlink::create_ipvlan(const ChildLink& link, IpvlanMode mode) {
  auto message = new_link(link, "ipvlan",
                          [&](Message& settings) { settings.put_u16(IFLA_IPVLAN_MODE, static_cast<uint16_t>(mode)); });
  connection_->change(std::move(message), creation_of(link, "ipvlan"));
}

void Netlink::create_vlan(const ChildLink& link, uint16_t id) {
  auto message = new_link(link, "vlan", [&](Message& settings) { settings.put_u16(IFLA_VLAN_ID, id); });
  connection_->change(std::move(message), creation_of(link, "vlan " + std::to_string(id)));
}

}  // namespace berth::net
