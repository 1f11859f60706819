#include "cni/plugin/plugin.h"
#include "dummy/dummy.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::dummy_plugin() {
  return std::make_unique<berth::dummy::DummyPlugin>();
}
