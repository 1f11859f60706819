#include "cni/plugin/plugin.h"
#include "dummy/dummy.h"

int main() {
  berth::dummy::DummyPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
