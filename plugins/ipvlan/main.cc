#include "cni/plugin/plugin.h"
#include "ipvlan/ipvlan.h"
#include "plugins/multicall/programs.h"

int berth::multicall::ipvlan_main(int, char**) {
  berth::ipvlan::IpvlanPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
