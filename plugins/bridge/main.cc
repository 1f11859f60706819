#include "bridge/bridge.h"
#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::bridge_plugin() {
  return std::make_unique<berth::bridge::BridgePlugin>();
}
