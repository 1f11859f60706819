#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "tuning/tuning.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::tuning_plugin() {
  return std::make_unique<berth::tuning::TuningPlugin>();
}
