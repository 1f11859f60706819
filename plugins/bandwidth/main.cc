#include "bandwidth/bandwidth.h"
#include "cni/plugin/plugin.h"

int main() {
  berth::bandwidth::BandwidthPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
