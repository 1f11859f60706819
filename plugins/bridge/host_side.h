#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/rollback.h"
#include "bridge/config.h"
#include "cni/result.h"
#include "net/netlink.h"
#include "net/netns.h"

namespace berth::bridge {

/// The host's part of one attachment: the bridge, the port on it, the gateway. What it changes is undone by the
/// `rollback` it is given, as far as nobody else has begun to use it meanwhile; this object must still be there then.
class HostSide {
 public:
  /// Throws cni::Error if the bridge's name is that of something else.
  explicit HostSide(const Config& config)
      : config_(config), netlink_(net::Netlink::here()), found_at_first_(find_bridge()) {}
  HostSide(const HostSide&) = delete;
  HostSide& operator=(const HostSide&) = delete;

  /// Makes the bridge if it is missing, and a veth pair between it and the request's interface of the container.
  /// The container's end is left down. Any number of processes may do so at once with the same bridge.
  void attach(const net::NetNs& container, const cni::Request& request, base::Rollback& rollback);

  /// The name of the host's end of the veth pair, once it is attached.
  const std::string& port() const { return port_; }

  /// Deletes the veth pair; a missing one is fine.
  void detach();

  /// Gives the bridge (or, with a VLAN, an interface in that VLAN) the gateway addresses of these ips.
  void serve_as_gateway(const std::vector<cni::IpConfig>& ips, base::Rollback& rollback);

  /// Waits until the port forwards packets. Call once the container's end is up. Throws cni::Error.
  void wait_for_port();

  /// What the result lists of the host, as it is now: the bridge, the port, and the VLAN's interface if there is one.
  std::vector<cni::Interface> interfaces(const std::string& version);

 private:
  std::optional<net::Link> find_bridge();
  void ensure_bridge(base::Rollback& rollback);
  void create_bridge_unless_there();
  bool has_bridge();
  void restore_bridge(bool created, const net::Link& before);
  void create_port(const net::NetNs& container, const cni::Request& request, base::Rollback& rollback);
  void configure_port();
  void set_vlans(int port, const std::vector<net::BridgeVlan>& trunk);
  net::Link ensure_vlan_interface(base::Rollback& rollback);
  void ensure_address(const net::Link& link, const net::IpNet& gateway, const std::vector<net::IpNet>& wanted,
                      base::Rollback& rollback);
  void add_gateway(const net::Link& link, const net::IpNet& gateway, base::Rollback& rollback);
  void remove_address(const net::Link& link, const net::LinkAddress& address, base::Rollback& rollback);
  bool is_shared();

  const Config& config_;
  net::Netlink netlink_;
  std::optional<net::Link> found_at_first_;
  net::Link bridge_;
  std::string port_;  ///< The host's end of the veth pair.
  std::optional<net::Link> port_as_found_;
  std::vector<std::string> own_ports_;  ///< Ports of the bridge made by this object.
  bool has_vlan_interface_ = false;
};

}  // namespace berth::bridge
