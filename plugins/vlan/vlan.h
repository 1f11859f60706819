#pragma once

#include "cni/plugin/plugin.h"

namespace berth::vlan {

/// The `vlan` plugin: puts a container on one 802.1Q VLAN of a host's interface, the master (cni.md 3.3). A
/// configuration that works where the host has an eth0:
///
///     {"cniVersion": "1.1.0", "name": "vlan100", "type": "vlan", "master": "eth0", "vlanId": 100,
///      "ipam": {"type": "host-local", "subnet": "10.100.0.0/24"}}
class VlanPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "vlan"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::vlan
