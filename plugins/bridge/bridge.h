#pragma once

#include "cni/plugin/plugin.h"

namespace berth::bridge {

/// The `bridge` plugin: connects a container to a bridge on the host by a veth pair (cni.md 3.1). A configuration that
/// works on every host:
///
///     {"cniVersion": "1.1.0", "name": "web", "type": "bridge", "bridge": "web0", "isGateway": true, "ipMasq": true,
///      "ipam": {"type": "host-local", "subnet": "10.88.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}}
class BridgePlugin : public cni::Plugin {
 public:
  const char* name() const override { return "bridge"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::bridge
