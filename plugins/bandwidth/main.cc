#include "bandwidth/bandwidth.h"
#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::bandwidth_plugin() {
  return std::make_unique<berth::bandwidth::BandwidthPlugin>();
}
