#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "vlan/vlan.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::vlan_plugin() {
  return std::make_unique<berth::vlan::VlanPlugin>();
}
