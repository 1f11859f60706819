#pragma once

#include "cni/plugin/plugin.h"

namespace berth::bridge {

/// The `bridge` plugin: connects a container to a bridge on the host by a veth pair (cni.md 3.1).
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
