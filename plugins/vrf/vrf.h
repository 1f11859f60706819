#pragma once

#include "cni/plugin/plugin.h"

namespace berth::vrf {

/// The `vrf` plugin: puts the interface into a VRF of the container, with a routing table of its own, so that networks
/// with overlapping addresses do not meet (cni.md 3.13). A chain that uses it:
///
///     {"cniVersion": "1.1.0", "name": "blue", "plugins": [
///       {"type": "macvlan", "master": "eth1",
///        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24"}]]}},
///       {"type": "vrf", "vrfname": "blue"}]}
class VrfPlugin final : public cni::Plugin {
 public:
  const char* name() const override { return "vrf"; }
  const std::vector<std::string>& versions() const override;

  cni::Result add(const cni::Request& request) override;
  /// Deletes the VRF with its last interface.
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  /// All there is lives in the container's namespace, and ends with it.
  void gc(const cni::Request&) override {}
  void status(const cni::Request& request) override;
};

}  // namespace berth::vrf
