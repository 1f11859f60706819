#pragma once

#include "cni/plugin/plugin.h"

namespace berth::flannel {

/// The `flannel` plugin: makes a configuration for another plugin (bridge with host-local, unless told otherwise) from
/// what flanneld says of this node's subnet, and calls that one (cni.md 3.14).
///
///   {
///     "cniVersion": "1.0.0", "name": "cbr0", "type": "flannel",
///     "delegate": {"hairpinMode": true, "isDefaultGateway": true}
///   }
///
/// with /run/flannel/subnet.env:
///
///   FLANNEL_NETWORK=10.244.0.0/16
///   FLANNEL_SUBNET=10.244.1.1/24
///   FLANNEL_MTU=1450
///   FLANNEL_IPMASQ=true
///
/// The configuration that was made is kept until DEL, as the subnet may be another one by then (see Scratch).
class FlannelPlugin final : public cni::Plugin {
 public:
  const char* name() const override { return "flannel"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  /// Calls the delegate's DEL for each attachment on record that is not valid, and then its GC for what is not on
  /// record.
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::flannel
