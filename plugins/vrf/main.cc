#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "vrf/vrf.h"

int berth::multicall::vrf_main(int, char**) {
  berth::vrf::VrfPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
