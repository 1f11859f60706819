#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "sbr/sbr.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::sbr_plugin() {
  return std::make_unique<berth::sbr::SbrPlugin>();
}
