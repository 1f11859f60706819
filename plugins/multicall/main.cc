// One executable under many names (hard links): it is the program whose name it was started by. One file is loaded once
// however many of the plugins run, and takes a seventh of the room; and a plugin, cnitool or cni-hook that runs another
// one needs no new start for it (cni/resident.h).

#include "plugins/multicall/programs.h"

#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <string_view>

#include "cni/resident.h"

namespace berth::multicall {
namespace {

constexpr cni::Resident kPrograms[] = {
    {"bandwidth", bandwidth_main},
    {"bridge", bridge_main},
    {"cni-hook", cni_hook_main},
    {"cnitool", cnitool_main},
    {"dhcp", dhcp_main},
    {"dummy", dummy_main},
    {"firewall", firewall_main},
    {"flannel", flannel_main},
    {"host-device", host_device_main},
    {"host-local", host_local_main},
    {"ipvlan", ipvlan_main},
    {"loopback", loopback_main},
    {"macvlan", macvlan_main},
    {"portmap", portmap_main},
    {"ptp", ptp_main},
    {"sbr", sbr_main},
    {"static", static_main},
    {"tap", tap_main},
    {"tuning", tuning_main},
    {"user-network-hook", user_network_hook_main},
    {"vlan", vlan_main},
    {"vrf", vrf_main},
};

std::string_view name_in(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

const cni::Resident* find(std::string_view name) {
  for (const auto& program : kPrograms) {
    if (program.name == name) return &program;
  }
  return nullptr;
}

int run(int argc, char** argv) {
  cni::set_residents(kPrograms);
  const std::string_view called = name_in(argc > 0 ? argv[0] : "");
  const cni::Resident* program = find(called);
  if (program == nullptr) {
    // An OCI hook's args[0] can be anything.
    std::array<char, PATH_MAX> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    if (size > 0) program = find(name_in({path.data(), static_cast<size_t>(size)}));
  }
  if (program != nullptr) return program->main(argc, argv);
  std::fprintf(stderr, "berth-cni: no program is called \"%.*s\"; it is one of:", static_cast<int>(called.size()),
               called.data());
  for (const auto& known : kPrograms) std::fprintf(stderr, " %s", known.name.data());
  std::fputc('\n', stderr);
  return 127;
}

}  // namespace
}  // namespace berth::multicall

int main(int argc, char** argv) {
  return berth::multicall::run(argc, argv);
}
