#include "cni/plugin/plugin.h"
#include "plugins/firewall/firewall_plugin.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::firewall_plugin() {
  return std::make_unique<berth::firewall_plugin::FirewallPlugin>();
}
