#include "cni/plugin/plugin.h"
#include "ipvlan/ipvlan.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::ipvlan_plugin() {
  return std::make_unique<berth::ipvlan::IpvlanPlugin>();
}
