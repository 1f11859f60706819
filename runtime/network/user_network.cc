#include "network/user_network.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "base/error.h"
#include "network/hook_program.h"
#include "oci/network_annotations.h"
#include "process/lookup.h"

namespace berth::runtime {

namespace {

struct Program {
  const char* name;
  const char* package;
};

/// The first is the faster one.
constexpr Program kPrograms[] = {{"pasta", "passt"}, {"slirp4netns", "slirp4netns"}};

std::string user() {
  return "user " + std::to_string(::geteuid());
}

/// The program that --network names, or "" if either is welcome.
std::string wanted_program(const NetworkFlags& flags) {
  if (!flags.net_dir.empty() || !flags.cni_path.empty())
    throw std::runtime_error("--net-dir and --cni-path are for CNI networks, which need root's rights (this is " +
                             user() + ")");
  std::vector<oci::NetworkRequest> requests;
  for (const auto& text : flags.networks) {
    for (auto& request : oci::parse_networks(text)) requests.push_back(std::move(request));
  }
  if (requests.empty()) return "";
  for (const auto& program : kPrograms) {
    if (requests.size() == 1 && requests[0].name == program.name) return program.name;
  }
  throw std::runtime_error("--network " + requests.back().name + ": CNI networks need root's rights; " + user() +
                           " can have one network, pasta or slirp4netns");
}

std::string find_helper(const std::string& wanted) {
  std::string missing;
  for (const auto& program : kPrograms) {
    if (!wanted.empty() && wanted != program.name) continue;
    if (auto found = find_host_program(program.name)) return *found;
    missing += (missing.empty() ? "" : " or ") + std::string(program.name) + " (package " + program.package + ")";
  }
  throw std::runtime_error("--network and --publish of " + user() + " need " + missing +
                           ", which is not installed in " + search_path());
}

void require_tun() {
  if (::access("/dev/net/tun", R_OK | W_OK) == 0) return;
  throw std::runtime_error("--network and --publish of " + user() +
                           " need /dev/net/tun: " + base::SystemError("open it", errno).what());
}

}  // namespace

NetworkHook user_network_hook(const NetworkFlags& flags, const std::string& state_directory) {
  const auto program = find_helper(wanted_program(flags));
  require_tun();
  return {find_hook("user-network-hook", "BERTH_USER_NETWORK_HOOK"), {program, state_directory}};
}

}  // namespace berth::runtime
