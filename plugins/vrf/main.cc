#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "vrf/vrf.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::vrf_plugin() {
  return std::make_unique<berth::vrf::VrfPlugin>();
}
