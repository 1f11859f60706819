#pragma once

#include "cni/plugin/plugin.h"

namespace berth::ptp {

/// The `ptp` plugin: a routed veth pair between the host and a container, without a bridge (cni.md 3.2).
///
///     {
///       "cniVersion": "1.1.0", "name": "routed",
///       "plugins": [{
///         "type": "ptp", "ipMasq": true, "mtu": 1500,
///         "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.22.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}
///       }]
///     }
class PtpPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "ptp"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::ptp
