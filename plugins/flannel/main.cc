#include "cni/plugin/plugin.h"
#include "flannel/flannel.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::flannel_plugin() {
  return std::make_unique<berth::flannel::FlannelPlugin>();
}
