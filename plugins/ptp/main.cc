#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "ptp/ptp.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::ptp_plugin() {
  return std::make_unique<berth::ptp::PtpPlugin>();
}
