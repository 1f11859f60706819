#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/ip.h"
#include "net/mac.h"
#include "net/netns.h"

/// What rtnetlink says about interfaces, addresses and routes, as plain values.
namespace berth::net {

/// What a bridge keeps about one of its ports (IFLA_BRPORT_*).
struct BridgePort {
  bool hairpin = false;
  bool isolated = false;
  uint8_t state = 0;  ///< BR_STATE_DISABLED (0) to BR_STATE_FORWARDING (3) and BR_STATE_BLOCKING (4)
};

/// How macvlan interfaces of one master reach each other (enum macvlan_mode of linux/if_link.h).
enum class MacvlanMode : uint32_t {
  kPrivate = 1,   ///< Not at all.
  kVepa = 2,      ///< Through an external switch that sends packets back.
  kBridge = 4,    ///< Directly.
  kPassthru = 8,  ///< There is only one; it takes the master over.
};

/// Which layer an ipvlan master decides by (enum ipvlan_mode of linux/if_link.h).
enum class IpvlanMode : uint16_t {
  kL2 = 0,   ///< Like a bridge, with multicast and broadcast.
  kL3 = 1,   ///< Like a router; no ARP, no multicast.
  kL3s = 2,  ///< Like kL3, and the host's netfilter and connection tracking see the packets.
};

/// What the kernel keeps about a tun or tap interface (IFLA_TUN_*).
struct TunSettings {
  bool is_tap = false;  ///< It carries Ethernet frames; tun: IP packets.
  bool multi_queue = false;
  bool vnet_header = false;
  bool packet_information = false;
  bool is_persistent = false;
  std::optional<uint32_t> owner;
  std::optional<uint32_t> group;
};

/// What the kernel takes as a name (dev_valid_name): 1 to 15 bytes without '/', ':' and white space, not "." or "..".
bool is_link_name(std::string_view text);

/// One network interface (RTM_NEWLINK).
struct Link {
  int index = 0;
  std::string name;
  std::string kind;    ///< IFLA_INFO_KIND: "bridge", "veth", …; empty for hardware and lo.
  unsigned flags = 0;  ///< IFF_*
  unsigned mtu = 0;
  MacAddress mac;                      ///< Zero if the interface has none of six bytes.
  int master = 0;                      ///< Index of the bridge (or bond, VRF) it belongs to; 0: none.
  int parent = 0;                      ///< IFLA_LINK: a veth's peer, a VLAN's or macvlan's lower interface; 0: none.
  std::optional<int> parent_netns_id;  ///< IFLA_LINK_NETNSID, where `parent` lives; unset: in the same namespace.
  uint8_t operational_state = 0;       ///< IF_OPER_* (RFC 2863)
  unsigned tx_queue_length = 0;
  std::string alias;
  bool vlan_filtering = false;     ///< Of a bridge.
  uint32_t vrf_table = 0;          ///< Of a VRF: its routing table.
  std::optional<BridgePort> port;  ///< Set if it is a bridge's port.
  std::optional<MacvlanMode> macvlan_mode;
  uint32_t broadcast_queue_length = 0;  ///< Of a macvlan: as asked for; 0 on kernels before 5.11.
  std::optional<IpvlanMode> ipvlan_mode;
  std::optional<uint16_t> vlan_id;  ///< Of a VLAN interface.
  std::optional<TunSettings> tun;   ///< Of a tun or tap interface.

  bool is_up() const;             ///< IFF_UP: administratively up.
  bool is_promiscuous() const;    ///< IFF_PROMISC as an administrator set it.
  bool is_all_multicast() const;  ///< IFF_ALLMULTI as an administrator set it.
  bool is_operational() const;    ///< IF_OPER_UP: it can carry packets.
  bool resolves() const;          ///< No IFF_NOARP: neighbours are found by ARP and neighbour discovery.
};

/// A VLAN of a bridge port, or a range of them.
struct BridgeVlan {
  uint16_t first = 0;
  uint16_t last = 0;      ///< Equal to `first` for one VLAN.
  bool pvid = false;      ///< Untagged packets that come in belong to it.
  bool untagged = false;  ///< Its packets leave without a tag.

  auto operator<=>(const BridgeVlan&) const = default;
};

/// One end of a veth pair to be created.
struct VethEnd {
  std::string name;
  const NetNs* netns = nullptr;             ///< Where it goes; null: the namespace of the Netlink that creates it.
  std::optional<MacAddress> mac;            ///< Unset: the kernel makes one up.
  int master = 0;                           ///< The bridge it becomes a port of (same namespace); 0: none.
  std::optional<unsigned> tx_queue_length;  ///< Unset: the kernel's default (1000).
};

/// A veth pair to be created. `near` is made through the Netlink's own namespace, `far` is its peer.
struct VethPair {
  VethEnd near;
  VethEnd far;
  unsigned mtu = 0;      ///< Of both ends; 0: the kernel's default.
  bool near_up = false;  ///< The far end cannot be set up by the same message: the kernel makes it first, alone.
};

/// A link on top of another one (macvlan, ipvlan, VLAN) to be created.
struct ChildLink {
  std::string name;
  int parent = 0;                 ///< Index of the other one, in the namespace of the Netlink that creates it.
  const NetNs* netns = nullptr;   ///< Where it goes; null: the same namespace.
  unsigned mtu = 0;               ///< 0: the parent's.
  std::optional<MacAddress> mac;  ///< Of a macvlan; unset: the kernel makes one up.
};

/// An address on a link (RTM_NEWADDR).
struct LinkAddress {
  IpNet address;       ///< The local address with its prefix length.
  unsigned flags = 0;  ///< IFA_F_*
  uint8_t scope = 0;   ///< RT_SCOPE_*

  bool is_tentative() const;  ///< Duplicate address detection has not finished.
  bool is_duplicate() const;  ///< It has finished, and failed.
};

/// An address to be added. IPv4 up to /30 gets the subnet's last address as broadcast.
struct NewAddress {
  IpNet address;
  bool no_dad = false;  ///< IFA_F_NODAD: IPv6 only, usable at once.
  uint8_t scope = 0;    ///< RT_SCOPE_UNIVERSE
};

/// A route (RTM_NEWROUTE); also a filter for lists.
struct LinkRoute {
  IpNet dst;  ///< 0.0.0.0/0 or ::/0: default.
  std::optional<IpAddress> gw;
  int device = 0;                   ///< Index of the link; 0: none (blackhole and the like).
  std::optional<IpAddress> source;  ///< Preferred source address.
  unsigned priority = 0;            ///< 0: the kernel's default (0 for IPv4, 1024 for IPv6).
  uint32_t table = 254;             ///< RT_TABLE_MAIN
  uint8_t scope = 0;                ///< RT_SCOPE_UNIVERSE; IPv6 ignores it.
  uint8_t protocol = 3;             ///< RTPROT_BOOT
  unsigned mtu = 0;                 ///< RTAX_MTU; 0: none.
  unsigned advmss = 0;              ///< RTAX_ADVMSS; 0: none.
  bool on_link = false;             ///< RTNH_F_ONLINK: the gateway is a neighbour, whatever the routes say.

  std::string to_string() const;

  bool operator==(const LinkRoute&) const = default;
};

/// A policy routing rule that names a table (RTM_NEWRULE, action FR_ACT_TO_TBL).
struct RoutingRule {
  Family family = Family::kIpv4;
  std::optional<IpNet> source;  ///< Unset: from all.
  uint32_t table = 0;
  uint32_t priority = 0;  ///< When added, 0: before all others but the local table's.

  std::string to_string() const;

  bool operator==(const RoutingRule&) const = default;
};

}  // namespace berth::net
