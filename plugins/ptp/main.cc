#include "cni/plugin/plugin.h"
#include "plugins/multicall/programs.h"
#include "ptp/ptp.h"

int berth::multicall::ptp_main(int, char**) {
  berth::ptp::PtpPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
