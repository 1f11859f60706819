#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "cni/request.h"
#include "net/link.h"
#include "net/netlink.h"
#include "net/netns.h"

/// The interface that macvlan, ipvlan and vlan interfaces are made on (cni.md 3.3).
namespace berth::cni::master {

/// The keys `master` and `linkInContainer`.
struct Config {
  std::string name;           ///< Empty: the device of the first default route.
  bool in_container = false;  ///< It is in the container's namespace instead of the host's.

  /// Throws base::JsonError or Error(kInvalidNetworkConfig) naming key and value.
  static Config parse(const base::JsonObject& json);
};

/// A master that was found, and the Netlink of its namespace, which makes interfaces on it.
struct Master {
  net::Netlink netlink;
  net::Link link;

  /// What CNI_IFNAME on this master looks like. `mtu` 0: the master's.
  net::ChildLink child(const Request& request, const net::NetNs& container, int64_t mtu) const;
  /// Throws Error(kInvalidNetworkConfig) unless `mtu` is 0 to the master's.
  void require_mtu(int64_t mtu) const;
};

/// Throws Error(kInvalidNetworkConfig) if there is no such interface, or no default route to take it from.
Master find(const Config& config, const net::NetNs& container);

/// CHECK: `child` is an interface on the master, if the configuration names one. Throws Error(kInternal).
void check(const Config& config, const net::NetNs& container, const net::Link& child);

/// STATUS: throws Error(kNotAvailable) if there is no such interface. Nothing is known of those in containers.
void status(const Config& config);

}  // namespace berth::cni::master
