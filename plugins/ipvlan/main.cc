#include "cni/plugin/plugin.h"
#include "ipvlan/ipvlan.h"

int main() {
  berth::ipvlan::IpvlanPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
