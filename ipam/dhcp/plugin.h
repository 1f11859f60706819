#pragma once

#include "cni/plugin/plugin.h"

namespace berth::dhcp {

/// Addresses from the DHCP servers of the network that the interface is on. A daemon (`dhcp daemon`, see
/// conf/systemd/cni-dhcp.service) holds the leases; this plugin only asks it.
///
///   {
///     "cniVersion": "1.1.0", "name": "lan", "type": "macvlan", "master": "eth0",
///     "ipam": {
///       "type": "dhcp",
///       "daemonSocketPath": "/run/cni/dhcp.sock",
///       "priority": 100,
///       "provide": [{"option": "host-name", "fromArg": "K8S_POD_NAME"},
///                   {"option": "12", "value": "web"}],
///       "request": [{"option": "routers"}, {"option": "43"}, {"skipDefault": true}]
///     }
///   }
class DhcpPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "dhcp"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::dhcp
