#pragma once

#include "cni/plugin/plugin.h"

namespace berth::tap {

/// The `tap` plugin: a tap interface in the container, for a program there (a virtual machine monitor, a VPN) that
/// reads and writes Ethernet frames (cni.md 3.5).
///
///     {
///       "cniVersion": "1.1.0", "name": "vms",
///       "plugins": [{
///         "type": "tap", "multiQueue": true, "mtu": 1500, "mac": "02:42:0a:16:00:02", "owner": 107, "group": 107,
///         "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.23.0.0/16"}]]}
///       }]
///     }
class TapPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "tap"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::tap
