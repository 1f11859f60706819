#pragma once

#include "cni/plugin/plugin.h"

namespace berth::dummy {

/// The `dummy` plugin: gives a container an interface that leads nowhere, to carry addresses (cni.md 3.5). A
/// configuration that works:
///
///     {"cniVersion": "1.1.0", "name": "addresses", "type": "dummy",
///      "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}}
class DummyPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "dummy"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::dummy
