#pragma once

#include "cni/plugin/plugin.h"

namespace berth::tuning {

/// The `tuning` plugin: changes settings of an interface that an earlier plugin of the list made, and sysctls of its
/// namespace (cni.md 3.12). Works on the container's end alone.
///
///   {
///     "type": "tuning",
///     "capabilities": {"mac": true},
///     "sysctl": {"net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.arp_filter": "1"},
///     "mac": "02:11:22:33:44:55", "mtu": 1454, "promisc": true, "allmulti": false, "txQLen": 500
///   }
///
/// What the interface was like is kept in a file until DEL restores it (see Backup). Sysctls are not restored by DEL:
/// they belong to the namespace, which ends with the container.
class TuningPlugin final : public cni::Plugin {
 public:
  const char* name() const override { return "tuning"; }

  cni::Result add(const cni::Request& request) override;
  /// Restores what can be restored; what cannot is said on stderr, as the interface is about to go anyway.
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  /// Removes the backups of this network's attachments that are not valid any more; others are left alone, as are files
  /// that do not say which network they belong to (the reference plugin's).
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::tuning
