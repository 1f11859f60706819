#include "cni/plugin/plugin.h"
#include "vlan/vlan.h"

int main() {
  berth::vlan::VlanPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
