#include "cni/plugin/plugin.h"
#include "ptp/ptp.h"

int main() {
  berth::ptp::PtpPlugin plugin;
  return berth::cni::run_plugin(plugin);
}
