#include "cni/plugin/plugin.h"
#include "loopback/loopback.h"

int main() {
  berth::loopback::LoopbackPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
