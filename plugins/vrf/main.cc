#include "cni/plugin/plugin.h"
#include "vrf/vrf.h"

int main() {
  berth::vrf::VrfPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
