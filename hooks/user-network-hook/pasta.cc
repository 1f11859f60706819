#include <stdexcept>

#include "base/process.h"
#include "helper.h"

namespace berth::user_network_hook {
namespace {

std::string specification(const oci::PublishedPort& port) {
  return (port.host_ip ? port.host_ip->to_string() + "/" : "") + std::to_string(port.host_port) + ":" +
         std::to_string(port.container_port);
}

void add_ports(const Order& order, const char* protocol, const char* option, std::vector<std::string>& argv) {
  bool any = false;
  for (const auto& port : order.ports) {
    if (port.protocol != protocol) continue;
    argv.insert(argv.end(), {option, specification(port)});
    any = true;
  }
  if (!any) argv.insert(argv.end(), {option, "none"});
}

}  // namespace

/// It goes into the background once all is set up.
void start_pasta(const Order& order) {
  base::Command command;
  command.path = order.program;
  command.env = base::own_environment();
  // No way to the host's loopback, neither over its address for the gateway nor by ports of the host seen inside.
  command.argv = {"pasta", "--config-net", "--quiet",     "--no-map-gw",   "-T",    "none",
                  "-U",    "none",         "--ns-ifname", order.interface, "--pid", order.pid_file()};
  add_ports(order, "tcp", "-t", command.argv);
  add_ports(order, "udp", "-u", command.argv);
  command.argv.push_back(std::to_string(order.container));
  const auto result = base::run_command(command);
  if (!result.ok()) throw std::runtime_error(failure_text(order, result.status_text(), result.error));
}

}  // namespace berth::user_network_hook
