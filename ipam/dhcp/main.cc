#include <cstring>
#include <string>
#include <vector>

#include "daemon_main.h"
#include "plugin.h"
#include "plugins/multicall/programs.h"

std::unique_ptr<berth::cni::Plugin> berth::multicall::dhcp_plugin() {
  return std::make_unique<berth::dhcp::DhcpPlugin>();
}

int berth::multicall::dhcp_main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "daemon") == 0) {
    return berth::dhcp::daemon_main(std::vector<std::string>(argv + 2, argv + argc));
  }
  return berth::cni::run_plugin(*dhcp_plugin());
}
