#include "cni/plugin/plugin.h"
#include "host-device/host_device.h"
#include "plugins/multicall/programs.h"

int berth::multicall::host_device_main(int, char**) {
  berth::host_device::HostDevicePlugin plugin;
  return berth::cni::run_plugin(plugin);
}
