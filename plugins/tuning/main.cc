#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "tuning/tuning.h"

int berth::multicall::tuning_main(int, char**) {
  berth::tuning::TuningPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
