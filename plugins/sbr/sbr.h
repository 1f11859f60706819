#pragma once

#include "cni/plugin/plugin.h"

namespace berth::sbr {

/// The `sbr` plugin, source based routing: packets from an address of the interface leave through the interface,
/// whatever the container's main routing table says (cni.md 3.13). A chain that uses it:
///
///     {"cniVersion": "1.1.0", "name": "storage", "plugins": [
///       {"type": "macvlan", "master": "eth1",
///        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24", "gateway": "10.2.0.1"}]]}},
///       {"type": "sbr"}]}
class SbrPlugin final : public cni::Plugin {
 public:
  const char* name() const override { return "sbr"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  /// All there is lives in the container's namespace, and ends with it.
  void gc(const cni::Request&) override {}
  void status(const cni::Request& request) override;
};

}  // namespace berth::sbr
