#include "cni/plugin/plugin.h"
#include "macvlan/macvlan.h"
#include "plugins/multicall/programs.h"

int berth::multicall::macvlan_main(int, char**) {
  berth::macvlan::MacvlanPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
