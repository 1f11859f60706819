#include "cni/plugin/plugin.h"
#include "portmap/portmap.h"

int main() {
  berth::portmap::PortmapPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
