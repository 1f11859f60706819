#include "cni/plugin/plugin.h"
#include "dummy/dummy.h"
#include "plugins/multicall/programs.h"

int berth::multicall::dummy_main(int, char**) {
  berth::dummy::DummyPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
