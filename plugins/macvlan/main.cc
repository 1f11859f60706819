#include "cni/plugin/plugin.h"
#include "macvlan/macvlan.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::macvlan_plugin() {
  return std::make_unique<berth::macvlan::MacvlanPlugin>();
}
