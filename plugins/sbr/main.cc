#include "cni/plugin/plugin.h"
#include "sbr/sbr.h"

int main() {
  berth::sbr::SbrPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
