#include "cni/plugin/plugin.h"
#include "loopback/loopback.h"
#include "plugins/multicall/programs.h"

int berth::multicall::loopback_main(int, char**) {
  berth::loopback::LoopbackPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
