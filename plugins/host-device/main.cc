#include "cni/plugin/plugin.h"
#include "host-device/host_device.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::host_device_plugin() {
  return std::make_unique<berth::host_device::HostDevicePlugin>();
}
