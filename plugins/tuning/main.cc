#include "cni/plugin/plugin.h"
#include "tuning/tuning.h"

int main() {
  berth::tuning::TuningPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
