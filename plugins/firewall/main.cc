#include "cni/plugin/plugin.h"
#include "plugins/firewall/firewall_plugin.h"

int main() {
  berth::firewall_plugin::FirewallPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
