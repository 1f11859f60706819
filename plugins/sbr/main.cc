#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "sbr/sbr.h"

int berth::multicall::sbr_main(int, char**) {
  berth::sbr::SbrPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
