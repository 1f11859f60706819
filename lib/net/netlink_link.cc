// The links of a Netlink: RTM_{NEW,GET,DEL}LINK (rtnetlink(7), include/uapi/linux/if_link.h).
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "net/connection.h"
#include "net/netlink.h"

namespace berth::net {

namespace {

using Attributes = std::array<nlattr*, IFLA_MAX + 1>;

Message link_message(uint16_t type, int index, unsigned message_flags = 0, unsigned flags = 0, unsigned change = 0) {
  ifinfomsg info{};
  info.ifi_index = index;
  info.ifi_flags = flags;
  info.ifi_change = change;
  Message message(type, message_flags);
  message.header(info);
  return message;
}

Message link_question(int index) {
  auto message = link_message(RTM_GETLINK, index);
  message.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  return message;
}

std::string with_mtu(unsigned mtu) {
  return mtu != 0 ? " with mtu " + std::to_string(mtu) : "";
}

std::string number(int index) {
  return "#" + std::to_string(index);
}

void read_bridge(nlattr* data, Link& link) {
  std::array<nlattr*, IFLA_BR_MAX + 1> tb{};
  nla_parse_nested(tb.data(), IFLA_BR_MAX, data, nullptr);
  if (tb[IFLA_BR_VLAN_FILTERING] != nullptr) link.vlan_filtering = nla_get_u8(tb[IFLA_BR_VLAN_FILTERING]) != 0;
}

void read_macvlan(nlattr* data, Link& link) {
  std::array<nlattr*, IFLA_MACVLAN_MAX + 1> tb{};
  nla_parse_nested(tb.data(), IFLA_MACVLAN_MAX, data, nullptr);
  if (tb[IFLA_MACVLAN_MODE] != nullptr) {
    link.macvlan_mode = static_cast<MacvlanMode>(nla_get_u32(tb[IFLA_MACVLAN_MODE]));
  }
  if (tb[IFLA_MACVLAN_BC_QUEUE_LEN] != nullptr) {
    link.broadcast_queue_length = nla_get_u32(tb[IFLA_MACVLAN_BC_QUEUE_LEN]);
  }
}

void read_ipvlan(nlattr* data, Link& link) {
  const auto* mode = nla_find(static_cast<nlattr*>(nla_data(data)), nla_len(data), IFLA_IPVLAN_MODE);
  if (mode != nullptr) link.ipvlan_mode = static_cast<IpvlanMode>(nla_get_u16(mode));
}

void read_vlan(nlattr* data, Link& link) {
  const auto* id = nla_find(static_cast<nlattr*>(nla_data(data)), nla_len(data), IFLA_VLAN_ID);
  if (id != nullptr) link.vlan_id = nla_get_u16(id);
}

void read_vrf(nlattr* data, Link& link) {
  std::array<nlattr*, IFLA_VRF_MAX + 1> tb{};
  nla_parse_nested(tb.data(), IFLA_VRF_MAX, data, nullptr);
  if (tb[IFLA_VRF_TABLE] != nullptr) link.vrf_table = nla_get_u32(tb[IFLA_VRF_TABLE]);
}

bool is_set(nlattr* attribute) {
  return attribute != nullptr && nla_get_u8(attribute) != 0;
}

void read_tun(nlattr* data, Link& link) {
  std::array<nlattr*, IFLA_TUN_MAX + 1> tb{};
  nla_parse_nested(tb.data(), IFLA_TUN_MAX, data, nullptr);
  auto& tun = link.tun.emplace();
  tun.is_tap = tb[IFLA_TUN_TYPE] != nullptr && nla_get_u8(tb[IFLA_TUN_TYPE]) == IFF_TAP;
  tun.multi_queue = is_set(tb[IFLA_TUN_MULTI_QUEUE]);
  tun.vnet_header = is_set(tb[IFLA_TUN_VNET_HDR]);
  tun.packet_information = is_set(tb[IFLA_TUN_PI]);
  tun.is_persistent = is_set(tb[IFLA_TUN_PERSIST]);
  if (tb[IFLA_TUN_OWNER] != nullptr) tun.owner = nla_get_u32(tb[IFLA_TUN_OWNER]);
  if (tb[IFLA_TUN_GROUP] != nullptr) tun.group = nla_get_u32(tb[IFLA_TUN_GROUP]);
}

void read_kind_data(nlattr* data, Link& link) {
  if (link.kind == "bridge") read_bridge(data, link);
  if (link.kind == "macvlan") read_macvlan(data, link);
  if (link.kind == "ipvlan") read_ipvlan(data, link);
  if (link.kind == "vlan") read_vlan(data, link);
  if (link.kind == "tun") read_tun(data, link);
  if (link.kind == "vrf") read_vrf(data, link);
}

BridgePort read_port(nlattr* data) {
  std::array<nlattr*, IFLA_BRPORT_MAX + 1> tb{};
  nla_parse_nested(tb.data(), IFLA_BRPORT_MAX, data, nullptr);
  BridgePort port;
  if (tb[IFLA_BRPORT_MODE] != nullptr) port.hairpin = nla_get_u8(tb[IFLA_BRPORT_MODE]) != 0;
  if (tb[IFLA_BRPORT_ISOLATED] != nullptr) port.isolated = nla_get_u8(tb[IFLA_BRPORT_ISOLATED]) != 0;
  if (tb[IFLA_BRPORT_STATE] != nullptr) port.state = nla_get_u8(tb[IFLA_BRPORT_STATE]);
  return port;
}

void read_kind(nlattr* linkinfo, Link& link) {
  std::array<nlattr*, IFLA_INFO_MAX + 1> tb{};
  nla_parse_nested(tb.data(), IFLA_INFO_MAX, linkinfo, nullptr);
  if (tb[IFLA_INFO_KIND] != nullptr) link.kind = nla_get_string(tb[IFLA_INFO_KIND]);
  if (tb[IFLA_INFO_DATA] != nullptr) read_kind_data(tb[IFLA_INFO_DATA], link);
  if (tb[IFLA_INFO_SLAVE_KIND] == nullptr || tb[IFLA_INFO_SLAVE_DATA] == nullptr) return;
  if (std::string_view(nla_get_string(tb[IFLA_INFO_SLAVE_KIND])) == "bridge") {
    link.port = read_port(tb[IFLA_INFO_SLAVE_DATA]);
  }
}

Link read_link(nlmsghdr* message) {
  Attributes tb{};
  nlmsg_parse(message, sizeof(ifinfomsg), tb.data(), IFLA_MAX, nullptr);
  const auto* info = static_cast<const ifinfomsg*>(nlmsg_data(message));
  Link link;
  link.index = info->ifi_index;
  link.flags = info->ifi_flags;
  if (tb[IFLA_IFNAME] != nullptr) link.name = nla_get_string(tb[IFLA_IFNAME]);
  if (tb[IFLA_MTU] != nullptr) link.mtu = nla_get_u32(tb[IFLA_MTU]);
  if (tb[IFLA_ADDRESS] != nullptr && nla_len(tb[IFLA_ADDRESS]) == static_cast<int>(MacAddress::size())) {
    link.mac = MacAddress::from_bytes(nla_data(tb[IFLA_ADDRESS]));
  }
  if (tb[IFLA_MASTER] != nullptr) link.master = static_cast<int>(nla_get_u32(tb[IFLA_MASTER]));
  if (tb[IFLA_LINK] != nullptr) link.parent = static_cast<int>(nla_get_u32(tb[IFLA_LINK]));
  if (tb[IFLA_LINK_NETNSID] != nullptr) link.parent_netns_id = nla_get_s32(tb[IFLA_LINK_NETNSID]);
  if (tb[IFLA_OPERSTATE] != nullptr) link.operational_state = nla_get_u8(tb[IFLA_OPERSTATE]);
  if (tb[IFLA_TXQLEN] != nullptr) link.tx_queue_length = nla_get_u32(tb[IFLA_TXQLEN]);
  if (tb[IFLA_IFALIAS] != nullptr) link.alias = nla_get_string(tb[IFLA_IFALIAS]);
  if (tb[IFLA_LINKINFO] != nullptr) read_kind(tb[IFLA_LINKINFO], link);
  return link;
}

std::optional<Link> ask_for_link(Connection& connection, Message message, const std::string& what) {
  std::optional<Link> found;
  connection.ask(std::move(message), "find link " + what, {ENODEV},
                 [&](nlmsghdr* answer) { found = read_link(answer); });
  return found;
}

void put_veth_end(Message& message, const VethEnd& end, unsigned mtu) {
  message.put(IFLA_IFNAME, end.name);
  if (mtu != 0) message.put_u32(IFLA_MTU, mtu);
  if (end.mac) message.put_bytes(IFLA_ADDRESS, end.mac->bytes(), MacAddress::size());
  if (end.tx_queue_length) message.put_u32(IFLA_TXQLEN, *end.tx_queue_length);
  if (end.netns != nullptr) message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(end.netns->fd().get()));
  if (end.master != 0) message.put_u32(IFLA_MASTER, static_cast<uint32_t>(end.master));
}

}  // namespace

std::optional<Link> Netlink::find_link(const std::string& name) {
  auto message = link_question(0);
  message.put(IFLA_IFNAME, name);
  return ask_for_link(*connection_, std::move(message), name);
}

std::optional<Link> Netlink::find_link(int index) {
  return ask_for_link(*connection_, link_question(index), number(index));
}

Link Netlink::link(const std::string& name) {
  if (auto found = find_link(name)) return *std::move(found);
  throw base::SystemError("find link " + name, ENODEV);
}

Link Netlink::link(int index) {
  if (auto found = find_link(index)) return *std::move(found);
  throw base::SystemError("find link " + number(index), ENODEV);
}

std::vector<Link> Netlink::links() {
  std::vector<Link> all;
  connection_->dump(
      link_question(0), "list links", [&] { all.clear(); },
      [&](nlmsghdr* answer) { all.push_back(read_link(answer)); });
  return all;
}

std::vector<Link> Netlink::ports(int master) {
  auto message = link_question(0);
  message.put_u32(IFLA_MASTER, static_cast<uint32_t>(master));
  std::vector<Link> all;
  connection_->dump(
      std::move(message), "list ports of link " + number(master), [&] { all.clear(); },
      [&](nlmsghdr* answer) {
        auto link = read_link(answer);
        if (link.master == master) all.push_back(std::move(link));
      });
  return all;
}

void Netlink::create_bridge(const std::string& name, unsigned mtu, bool vlan_filtering) {
  auto message = link_message(RTM_NEWLINK, 0, NLM_F_CREATE | NLM_F_EXCL);
  message.put(IFLA_IFNAME, name);
  if (mtu != 0) message.put_u32(IFLA_MTU, mtu);
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, "bridge");
    if (vlan_filtering) message.nest(IFLA_INFO_DATA, [&] { message.put_u8(IFLA_BR_VLAN_FILTERING, 1); });
  });
  connection_->change(std::move(message), "create bridge " + name + with_mtu(mtu));
}

void Netlink::create_veth(const VethPair& pair) {
  const unsigned up = pair.near_up ? IFF_UP : 0;
  auto message = link_message(RTM_NEWLINK, 0, NLM_F_CREATE | NLM_F_EXCL, up, up);
  put_veth_end(message, pair.near, pair.mtu);
  message.nest(IFLA_LINKINFO, [&] {
    message.put(IFLA_INFO_KIND, "veth");
    message.nest(IFLA_INFO_DATA, [&] {
      message.nest(VETH_INFO_PEER, [&] {
        message.header(ifinfomsg{});
        put_veth_end(message, pair.far, pair.mtu);
      });
    });
  });
  connection_->change(std::move(message),
                      "create veth " + pair.near.name + " and its peer " + pair.far.name + with_mtu(pair.mtu));
}

bool Netlink::delete_link(const std::string& name) {
  auto message = link_message(RTM_DELLINK, 0);
  message.put(IFLA_IFNAME, name);
  return connection_->try_change(std::move(message), "delete link " + name, {ENODEV});
}

bool Netlink::delete_link(int index) {
  return connection_->try_change(link_message(RTM_DELLINK, index), "delete link " + number(index), {ENODEV});
}

void Netlink::set_up(int index) {
  connection_->change(link_message(RTM_NEWLINK, index, 0, IFF_UP, IFF_UP), "set up link " + number(index));
}

void Netlink::set_down(int index) {
  connection_->change(link_message(RTM_NEWLINK, index, 0, 0, IFF_UP), "set down link " + number(index));
}

void Netlink::move_link(int index, const NetNs& netns, const std::string& name, const std::string& alias) {
  auto message = link_message(RTM_NEWLINK, index);
  message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(netns.fd().get()));
  message.put(IFLA_IFNAME, name);
  message.put_bytes(IFLA_IFALIAS, alias.data(), alias.size());
  connection_->change(std::move(message), "move link " + number(index) + " to " + netns.path() + " as " + name);
}

void Netlink::set_master(int index, int master) {
  auto message = link_message(RTM_NEWLINK, index);
  message.put_u32(IFLA_MASTER, static_cast<uint32_t>(master));
  connection_->change(std::move(message), "set master of link " + number(index) + " to " + number(master));
}

void Netlink::set_mac(int index, const MacAddress& mac) {
  auto message = link_message(RTM_NEWLINK, index);
  message.put_bytes(IFLA_ADDRESS, mac.bytes(), MacAddress::size());
  connection_->change(std::move(message), "set hardware address of link " + number(index) + " to " + mac.to_string());
}

void Netlink::set_mtu(int index, unsigned mtu) {
  auto message = link_message(RTM_NEWLINK, index);
  message.put_u32(IFLA_MTU, mtu);
  connection_->change(std::move(message), "set MTU of link " + number(index) + " to " + std::to_string(mtu));
}

void Netlink::set_alias(const std::string& name, const std::string& alias) {
  auto message = link_message(RTM_NEWLINK, 0);
  message.put(IFLA_IFNAME, name);
  message.put_bytes(IFLA_IFALIAS, alias.data(), alias.size());  // the kernel wants no zero byte
  connection_->change(std::move(message), "set alias of link " + name + " to \"" + alias + "\"");
}

void Netlink::set_promiscuous(int index, bool on) {
  connection_->change(link_message(RTM_NEWLINK, index, 0, on ? IFF_PROMISC : 0, IFF_PROMISC),
                      std::string(on ? "set" : "unset") + " promiscuous mode of link " + number(index));
}

void Netlink::set_all_multicast(int index, bool on) {
  connection_->change(link_message(RTM_NEWLINK, index, 0, on ? IFF_ALLMULTI : 0, IFF_ALLMULTI),
                      std::string(on ? "set" : "unset") + " all-multicast mode of link " + number(index));
}

void Netlink::set_tx_queue_length(int index, unsigned length) {
  auto message = link_message(RTM_NEWLINK, index);
  message.put_u32(IFLA_TXQLEN, length);
  connection_->change(std::move(message),
                      "set transmit queue length of link " + number(index) + " to " + std::to_string(length));
}

}  // namespace berth::net
