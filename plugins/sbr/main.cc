#include "cni/plugin/plugin.h"
#include "sbr/sbr.h"
#include "plugins/multicall/programs.h"

int berth::multicall::sbr_main(int, char**) {
  berth::sbr::SbrPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
