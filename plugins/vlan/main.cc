#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "vlan/vlan.h"

int berth::multicall::vlan_main(int, char**) {
  berth::vlan::VlanPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
