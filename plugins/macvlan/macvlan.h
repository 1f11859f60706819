#pragma once

#include "cni/plugin/plugin.h"

namespace berth::macvlan {

/// The `macvlan` plugin: puts a container on the network of a host's interface, the master, with a hardware address of
/// its own (cni.md 3.3). A configuration that works where the host has an eth0:
///
///     {"cniVersion": "1.1.0", "name": "lan", "type": "macvlan", "master": "eth0", "mode": "bridge",
///      "ipam": {"type": "host-local", "subnet": "192.168.1.0/24", "rangeStart": "192.168.1.200",
///               "gateway": "192.168.1.1", "routes": [{"dst": "0.0.0.0/0"}]}}
class MacvlanPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "macvlan"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::macvlan
