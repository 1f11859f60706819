#include "cni/plugin/plugin.h"
#include "flannel/flannel.h"
#include "plugins/multicall/programs.h"

int berth::multicall::flannel_main(int, char**) {
  berth::flannel::FlannelPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
