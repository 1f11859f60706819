#include "bridge/bridge.h"
#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"

int berth::multicall::bridge_main(int, char**) {
  berth::bridge::BridgePlugin plugin;
  return berth::cni::run_plugin(plugin);
}
