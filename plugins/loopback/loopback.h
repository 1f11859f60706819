#pragma once

#include "cni/plugin/plugin.h"

namespace berth::loopback {

/// The `loopback` plugin: sets up `lo` in the container, whatever CNI_IFNAME says (cni.md 3.5). A configuration:
///
///     {"cniVersion": "1.1.0", "name": "lo", "type": "loopback"}
class LoopbackPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "loopback"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request&) override {}
  void status(const cni::Request&) override {}
};

}  // namespace berth::loopback
