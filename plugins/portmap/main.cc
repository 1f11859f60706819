#include "cni/plugin/plugin.h"
#include "portmap/portmap.h"
#include "plugins/multicall/programs.h"

int berth::multicall::portmap_main(int, char**) {
  berth::portmap::PortmapPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
