#include "cni/plugin/plugin.h"
#include "macvlan/macvlan.h"

int main() {
  berth::macvlan::MacvlanPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
