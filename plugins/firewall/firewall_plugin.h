#pragma once

#include <vector>

#include "cni/plugin/plugin.h"

namespace berth::firewall_plugin {

/// Admits the container's addresses (prevResult) through a host's firewall that drops what it forwards, and keeps
/// containers of different bridges, or of one, apart. Works at the end of a list, after the plugin that made the
/// interface:
///
///     {
///       "cniVersion": "1.0.0", "name": "web", "plugins": [
///         {"type": "bridge", "bridge": "web0", "isGateway": true, "ipMasq": true,
///          "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]]}},
///         {"type": "firewall", "backend": "iptables", "ingressPolicy": "same-bridge"}
///       ]
///     }
///
/// Keys: backend, iptablesAdminChainName, firewalldZone, ingressPolicy; see docs/plugins/firewall.md.
class FirewallPlugin final : public cni::Plugin {
 public:
  const char* name() const override { return "firewall"; }
  /// nerdctl runs `firewall` without CNI_COMMAND and compares: at least 1.1.0, and 1.7.1 for `isolated`. So this is the
  /// release of the reference plugins whose behaviour we have, not our own version.
  const char* program_version() const override { return "1.9.1"; }
  /// From 0.4.0 on, as the reference: DEL gets prevResult.
  const std::vector<std::string>& versions() const override;

  cni::Result add(const cni::Request& request) override;
  /// Needs neither prevResult nor the namespace nor a valid configuration.
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::firewall_plugin
