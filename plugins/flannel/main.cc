#include "cni/plugin/plugin.h"
#include "flannel/flannel.h"

int main() {
  berth::flannel::FlannelPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
