#pragma once

#include "cni/plugin/plugin.h"

namespace berth::bandwidth {

/// The `bandwidth` plugin: limits what a container receives and sends, on the host's end of its veth pair (cni.md
/// 3.11). A chain that uses it:
///
///     {"cniVersion": "1.1.0", "name": "web", "plugins": [
///       {"type": "bridge", "bridge": "cni0", "isGateway": true,
///        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]}},
///       {"type": "bandwidth", "capabilities": {"bandwidth": true},
///        "ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 8000000, "egressBurst": 800000}]}
///
/// Rates are bits a second, bursts bits. Without the four keys, the runtime's `runtimeConfig.bandwidth` counts.
class BandwidthPlugin final : public cni::Plugin {
 public:
  const char* name() const override { return "bandwidth"; }
  /// From 0.3.0 on: earlier results have no interfaces.
  const std::vector<std::string>& versions() const override;

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  /// Deletes the IFBs of this network's attachments that are not valid any more.
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::bandwidth
