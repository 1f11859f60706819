#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "tap/labelled.h"
#include "tap/tap.h"

int berth::multicall::tap_main(int argc, char** argv) {
  if (berth::tap::has_parent(argc, argv)) return berth::tap::create_for_parent(argv);
  berth::tap::TapPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
