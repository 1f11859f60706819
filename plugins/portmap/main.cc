#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "portmap/portmap.h"

int berth::multicall::portmap_main(int, char**) {
  berth::portmap::PortmapPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
