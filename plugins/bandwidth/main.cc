#include "bandwidth/bandwidth.h"
#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"

int berth::multicall::bandwidth_main(int, char**) {
  berth::bandwidth::BandwidthPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
