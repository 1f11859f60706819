#include "cni/plugin/plugin.h"
#include "host-device/host_device.h"

int main() {
  berth::host_device::HostDevicePlugin plugin;
  return berth::cni::run_plugin(plugin);
}
