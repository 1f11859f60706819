#pragma once

#include "cni/plugin/plugin.h"

namespace berth::portmap {

/// Publishes the container's ports on the host: destination NAT for every mapping in runtimeConfig.portMappings to the
/// addresses that earlier plugins gave the container (prevResult). In a list, behind the plugin that makes the
/// interface:
///
///     {"type": "portmap", "capabilities": {"portMappings": true}}
///
/// with, from the container engine (or in CAP_ARGS of cnitool):
///
///     {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
///
/// That a process of the host listens on the port is no error: container engines hold published ports open themselves
/// to reserve them (Podman does), and cannot be told from others.
class PortmapPlugin final : public cni::Plugin {
 public:
  const char* name() const override { return "portmap"; }

  cni::Result add(const cni::Request& request) override;
  /// Finds what to remove by the owner: needs neither prevResult nor portMappings nor the namespace.
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::portmap
