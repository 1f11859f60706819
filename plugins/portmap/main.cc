#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "portmap/portmap.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::portmap_plugin() {
  return std::make_unique<berth::portmap::PortmapPlugin>();
}
