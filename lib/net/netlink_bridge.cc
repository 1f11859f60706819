// What a Netlink knows about ports of bridges: AF_BRIDGE link messages (include/uapi/linux/if_bridge.h).
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

Message port_message(uint16_t type, int port) {
  ifinfomsg info{};
  info.ifi_family = AF_BRIDGE;
  info.ifi_index = port;
  Message message(type);
  message.header(info);
  return message;
}

std::string port_name(int port) {
  return "bridge port #" + std::to_string(port);
}

Message port_flag(int port, int attribute, bool on) {
  auto message = port_message(RTM_SETLINK, port);
  message.nest(IFLA_PROTINFO, [&] { message.put_u8(attribute, on ? 1 : 0); });
  return message;
}

std::string describe(const BridgeVlan& vlan) {
  auto text = std::to_string(vlan.first);
  if (vlan.last != vlan.first) text += "-" + std::to_string(vlan.last);
  return text;
}

void put_vlan(Message& message, uint16_t id, unsigned flags) {
  const bridge_vlan_info info{static_cast<uint16_t>(flags), id};
  message.put_bytes(IFLA_BRIDGE_VLAN_INFO, &info, sizeof info);
}

Message vlan_message(uint16_t type, int port, const BridgeVlan& vlan) {
  const unsigned flags = (vlan.pvid ? BRIDGE_VLAN_INFO_PVID : 0U) | (vlan.untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0U);
  auto message = port_message(type, port);
  message.nest(IFLA_AF_SPEC, [&] {
    if (vlan.first == vlan.last) {
      put_vlan(message, vlan.first, flags);
      return;
    }
    put_vlan(message, vlan.first, flags | BRIDGE_VLAN_INFO_RANGE_BEGIN);
    put_vlan(message, vlan.last, flags | BRIDGE_VLAN_INFO_RANGE_END);
  });
  return message;
}

void read_vlans(nlattr* spec, std::vector<BridgeVlan>& vlans) {
  nlattr* attribute = nullptr;
  int left = 0;
  nla_for_each_nested(attribute, spec, left) {
    if (nla_type(attribute) != IFLA_BRIDGE_VLAN_INFO) continue;
    const auto* info = static_cast<const bridge_vlan_info*>(nla_data(attribute));
    if ((info->flags & BRIDGE_VLAN_INFO_RANGE_END) != 0 && !vlans.empty()) {
      vlans.back().last = info->vid;
      continue;
    }
    vlans.push_back({info->vid, info->vid, (info->flags & BRIDGE_VLAN_INFO_PVID) != 0,
                     (info->flags & BRIDGE_VLAN_INFO_UNTAGGED) != 0});
  }
}

}  // namespace

void Netlink::set_hairpin(int port, bool on) {
  connection_->change(port_flag(port, IFLA_BRPORT_MODE, on), "set hairpin mode of " + port_name(port));
}

void Netlink::set_isolated(int port, bool on) {
  connection_->change(port_flag(port, IFLA_BRPORT_ISOLATED, on), "set isolation of " + port_name(port));
}

std::vector<BridgeVlan> Netlink::port_vlans(int port) {
  auto message = port_message(RTM_GETLINK, 0);
  message.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
  std::vector<BridgeVlan> vlans;
  connection_->dump(
      std::move(message), "list VLANs of " + port_name(port), [&] { vlans.clear(); },
      [&](nlmsghdr* answer) {
        const auto* info = static_cast<const ifinfomsg*>(nlmsg_data(answer));
        nlattr* spec = nlmsg_find_attr(answer, sizeof(ifinfomsg), IFLA_AF_SPEC);
        if (info->ifi_index == port && spec != nullptr) read_vlans(spec, vlans);
      });
  return vlans;
}

void Netlink::add_port_vlan(int port, const BridgeVlan& vlan) {
  connection_->change(vlan_message(RTM_SETLINK, port, vlan), "add VLAN " + describe(vlan) + " to " + port_name(port));
}

void Netlink::delete_port_vlan(int port, const BridgeVlan& vlan) {
  connection_->change(vlan_message(RTM_DELLINK, port, vlan),
                      "delete VLAN " + describe(vlan) + " of " + port_name(port));
}

}  // namespace berth::net
