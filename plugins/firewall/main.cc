#include "cni/plugin/plugin.h"
#include "plugins/firewall/firewall_plugin.h"
#include "plugins/multicall/programs.h"

int berth::multicall::firewall_main(int, char**) {
  berth::firewall_plugin::FirewallPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
