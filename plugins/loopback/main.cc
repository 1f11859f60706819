#include "cni/plugin/plugin.h"
#include "loopback/loopback.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::loopback_plugin() {
  return std::make_unique<berth::loopback::LoopbackPlugin>();
}
