#include "bridge/bridge.h"
#include "cni/plugin/plugin.h"

int main() {
  berth::bridge::BridgePlugin plugin;
  return berth::cni::run_plugin(plugin);
}
