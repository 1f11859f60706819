#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "tap/labelled.h"
#include "tap/tap.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::tap_plugin() {
  return std::make_unique<berth::tap::TapPlugin>();
}

int berth::multicall::tap_main(int argc, char** argv) {
  if (berth::tap::has_parent(argc, argv)) return berth::tap::create_for_parent(argv);
  return berth::cni::run_plugin(*tap_plugin());
}
