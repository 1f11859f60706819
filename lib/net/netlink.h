#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/ip.h"
#include "net/link.h"
#include "net/mac.h"
#include "net/netns.h"

namespace berth::net {

class Connection;

/// One rtnetlink socket. It belongs to the network namespace it was opened in for ever, whatever namespace the thread
/// moves to afterwards. Not for use by two threads at once.
///
/// Every operation throws base::SystemError "WHAT IT DID TO WHAT: errno text", with the kernel's own explanation
/// (extended ack) appended in parentheses where there is one. Objects are addressed by the index of a link.
class Netlink {
 public:
  /// A socket in the calling thread's namespace.
  static Netlink here();
  /// A socket in another namespace, opened by a short visit.
  static Netlink in(const NetNs& netns);

  Netlink(Netlink&&) noexcept;
  Netlink& operator=(Netlink&&) noexcept;
  ~Netlink();

  /// The socket's descriptor, for a child process to keep.
  int fd() const;

  /// Runs `steps`; the changes it asks of this Netlink are collected and given to the kernel in one system call, in
  /// their order. The kernel tries each of them even if an earlier one fails; the first failure is thrown.
  /// Inside `steps` only operations that change something may be used: questions would see the state before them.
  template <class Steps>
  void together(Steps&& steps) {
    start_batch();
    try {
      std::forward<Steps>(steps)();
    } catch (...) {
      drop_batch();
      throw;
    }
    commit_batch();
  }

  // --- links -----------------------------------------------------------------------------------------------------

  /// nullopt if there is no such link.
  std::optional<Link> find_link(const std::string& name);
  std::optional<Link> find_link(int index);
  /// As find_link, but its absence is SystemError "find link NAME: no such device".
  Link link(const std::string& name);
  Link link(int index);
  /// Every link, or every port of a master.
  std::vector<Link> links();
  std::vector<Link> ports(int master);

  /// Fails with EEXIST if the name is taken. `mtu` 0: the kernel's default.
  void create_bridge(const std::string& name, unsigned mtu, bool vlan_filtering);
  /// Both ends in one message, each in its namespace, with its final name, hardware address and MTU.
  void create_veth(const VethPair& pair);
  /// A VRF with its routing table, up. Fails with EEXIST if the name is taken.
  void create_vrf(const std::string& name, uint32_t table);
  /// A link that is up and has no queue length of its own. False if the name is taken.
  bool create_ifb(const std::string& name, unsigned mtu);
  /// A link that sends nothing anywhere, in the Netlink's own namespace.
  void create_dummy(const std::string& name);
  /// These three appear in their namespace, with their final name, by one message.
  /// A macvlan in passthru mode has its parent's hardware address whatever `link.mac` says.
  /// `broadcast_queue_length` 0: the kernel's default.
  void create_macvlan(const ChildLink& link, MacvlanMode mode, uint32_t broadcast_queue_length);
  void create_ipvlan(const ChildLink& link, IpvlanMode mode);
  /// 802.1Q. Fails with EEXIST also if the parent has a VLAN interface of this id.
  void create_vlan(const ChildLink& link, uint16_t id);
  /// False if there was none. Deleting one end of a veth pair deletes both.
  bool delete_link(const std::string& name);
  bool delete_link(int index);

  /// Moves a link to another namespace under another name and with another alias (empty: none), in one step: there it
  /// clashes with nothing but a link of that very name (EEXIST), here with nothing at all. It arrives down, without
  /// addresses, routes and master.
  void move_link(int index, const NetNs& netns, const std::string& name, const std::string& alias);

  void set_up(int index);
  void set_down(int index);
  /// `master` 0: none.
  void set_master(int index, int master);
  void set_mac(int index, const MacAddress& mac);
  void set_mtu(int index, unsigned mtu);
  void set_promiscuous(int index, bool on);
  /// A text of at most 255 bytes that the kernel keeps with the link (IFLA_IFALIAS).
  void set_alias(const std::string& name, const std::string& alias);
  void set_all_multicast(int index, bool on);
  void set_tx_queue_length(int index, unsigned length);

  // --- bridges ---------------------------------------------------------------------------------------------------

  void set_hairpin(int port, bool on);
  void set_isolated(int port, bool on);
  /// The VLANs of a port, ranges as the kernel compresses them.
  std::vector<BridgeVlan> port_vlans(int port);
  void add_port_vlan(int port, const BridgeVlan& vlan);
  void delete_port_vlan(int port, const BridgeVlan& vlan);

  // --- addresses -------------------------------------------------------------------------------------------------

  std::vector<LinkAddress> addresses(int index, std::optional<Family> family = std::nullopt);
  /// Fails with EEXIST if it is there.
  void add_address(int index, const NewAddress& address);
  /// False if it was not there.
  bool delete_address(int index, const IpNet& address);

  // --- routes ----------------------------------------------------------------------------------------------------

  /// Adds beside routes to the same destination by other ways (ECMP); fails with EEXIST for an exact duplicate.
  void add_route(const LinkRoute& route);
  /// False if it was not there. Fields that are not set match anything.
  bool delete_route(const LinkRoute& route);
  /// Unicast routes of one table; `device` 0: through any link.
  std::vector<LinkRoute> routes(Family family, int device = 0, uint32_t table = 254);
  /// Index of the device of the first default route of the main table, IPv4 before IPv6; nullopt if there is none.
  std::optional<int> default_route_device();
  /// Unicast routes of every table.
  std::vector<LinkRoute> routes_of_all_tables(Family family, int device = 0);
  /// Name of the link through which packets to `destination` leave; nullopt if it cannot be reached.
  std::optional<std::string> route_device(const IpAddress& destination);

  // --- rules -----------------------------------------------------------------------------------------------------

  /// Rules that name a table, in their order. None if the kernel does not have the family.
  std::vector<RoutingRule> rules(Family family);
  /// Fails with EEXIST for an exact duplicate.
  void add_rule(const RoutingRule& rule);
  /// False if it was not there. Fields that are not set match anything.
  bool delete_rule(const RoutingRule& rule);
  /// The first table from `first` on that no rule, no unicast route and no VRF of the namespace uses; never one of the
  /// kernel's own (253 to 255).
  uint32_t free_table(uint32_t first);

 private:
  explicit Netlink(std::unique_ptr<Connection> connection);

  std::vector<LinkRoute> list_routes(Family family, int device, uint32_t table);

  void start_batch();
  void drop_batch();
  void commit_batch();

  std::unique_ptr<Connection> connection_;
};

/// A link name nobody else is likely to have: "veth" and 8 random hexadecimal digits.
std::string random_veth_name();

}  // namespace berth::net
