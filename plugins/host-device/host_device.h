#pragma once

#include "cni/plugin/plugin.h"

namespace berth::host_device {

/// The `host-device` plugin: lends a container an interface that the host has already (cni.md 3.4).
///
///     {
///       "cniVersion": "1.1.0", "name": "uplink",
///       "plugins": [{
///         "type": "host-device", "device": "eno2",
///         "ipam": {"type": "static", "addresses": [{"address": "192.0.2.10/24", "gateway": "192.0.2.1"}]}
///       }]
///     }
///
/// Instead of `device`: "hwaddr": "02:42:ac:11:00:02", "kernelpath": "/sys/devices/pci0000:00/0000:03:00.0",
/// "pciBusID": "0000:03:00.0", or "capabilities": {"deviceID": true}, with which the runtime names the device.
class HostDevicePlugin : public cni::Plugin {
 public:
  const char* name() const override { return "host-device"; }

  cni::Result add(const cni::Request& request) override;
  void del(const cni::Request& request) override;
  void check(const cni::Request& request) override;
  void gc(const cni::Request& request) override;
  void status(const cni::Request& request) override;
};

}  // namespace berth::host_device
