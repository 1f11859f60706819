// user-network-hook createRuntime|poststop PROGRAM DIRECTORY: the OCI hook that gives the container of a user without
// root's rights a network by pasta or slirp4netns (docs/rootless.md).

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

#include "base/file.h"
#include "base/rollback.h"
#include "helper.h"
#include "oci/state.h"
#include "plugins/multicall/programs.h"

namespace berth::user_network_hook {
namespace {

void require_known_protocols(const std::vector<oci::PublishedPort>& ports) {
  for (const auto& port : ports) {
    if (port.protocol != "tcp" && port.protocol != "udp")
      throw std::runtime_error("only tcp and udp ports can be published without root's rights, not " +
                               oci::format_port(port));
  }
}

void attach(Order order, const oci::State& state) {
  const auto setup = oci::network_setup(state.annotations);
  if (setup.empty()) return;
  if (state.pid == 0) throw std::runtime_error("the State of container " + state.id + " has no pid");
  order.container = state.pid;
  order.interface = setup.networks.front().ifname;
  order.ports = setup.ports;
  require_known_protocols(order.ports);
  base::Rollback rollback;
  rollback.add("end " + order.program, [&] { stop(order); });
  const bool is_slirp = order.program.substr(order.program.rfind('/') + 1) == "slirp4netns";
  is_slirp ? start_slirp4netns(order) : start_pasta(order);
  rollback.dismiss();
}

oci::State read_state() {
  constexpr const char* kInput = "the container's State from stdin";
  const auto text = base::read_all(STDIN_FILENO, kInput);
  try {
    return oci::State::from_json(text);
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string(kInput) + ": " + error.what());
  }
}

void run(int argc, char** argv) {
  const std::string stage = argc > 1 ? argv[1] : "";
  if (argc != 4 || (stage != "createRuntime" && stage != "poststop"))
    throw std::runtime_error("usage: user-network-hook createRuntime|poststop PROGRAM DIRECTORY");
  ::umask(022);
  const auto state = read_state();
  Order order;
  order.program = argv[2];
  order.directory = argv[3];
  stage == "createRuntime" ? attach(std::move(order), state) : stop(order);
}

}  // namespace
}  // namespace berth::user_network_hook

int berth::multicall::user_network_hook_main(int argc, char** argv) {
  try {
    berth::user_network_hook::run(argc, argv);
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "user-network-hook: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
