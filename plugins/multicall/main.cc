// One executable under many names (hard links): it is the program whose name it was started by. One file is loaded once
// however many of the plugins run, and takes a seventh of the room; and a plugin, cnitool or cni-hook that runs another
// one calls it in its own process (cni/resident.h).

#include "plugins/multicall/programs.h"

#include <malloc.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <string_view>

#include "cni/resident.h"

namespace berth::multicall {
namespace {

template <MakePlugin make>
int run_plugin(int, char**) {
  return cni::run_plugin(*make());
}

template <MakePlugin make>
std::string call(const std::string& input) {
  return cni::call_plugin(*make(), input);
}

constexpr cni::Resident kPrograms[] = {
    {"bandwidth", run_plugin<bandwidth_plugin>, call<bandwidth_plugin>},
    {"bridge", run_plugin<bridge_plugin>, call<bridge_plugin>},
    {"cni-hook", cni_hook_main},
    {"cnitool", cnitool_main},
    {"dhcp", dhcp_main, call<dhcp_plugin>},
    {"dummy", run_plugin<dummy_plugin>, call<dummy_plugin>},
    {"firewall", run_plugin<firewall_plugin>, call<firewall_plugin>},
    {"flannel", run_plugin<flannel_plugin>, call<flannel_plugin>},
    {"host-device", run_plugin<host_device_plugin>, call<host_device_plugin>},
    {"host-local", run_plugin<host_local_plugin>, call<host_local_plugin>},
    {"ipvlan", run_plugin<ipvlan_plugin>, call<ipvlan_plugin>},
    {"loopback", run_plugin<loopback_plugin>, call<loopback_plugin>},
    {"macvlan", run_plugin<macvlan_plugin>, call<macvlan_plugin>},
    {"portmap", run_plugin<portmap_plugin>, call<portmap_plugin>},
    {"ptp", run_plugin<ptp_plugin>, call<ptp_plugin>},
    {"sbr", run_plugin<sbr_plugin>, call<sbr_plugin>},
    {"static", run_plugin<static_plugin>, call<static_plugin>},
    {"tap", tap_main, call<tap_plugin>},
    {"tuning", run_plugin<tuning_plugin>, call<tuning_plugin>},
    {"user-network-hook", user_network_hook_main},
    {"vlan", run_plugin<vlan_plugin>, call<vlan_plugin>},
    {"vrf", run_plugin<vrf_plugin>, call<vrf_plugin>},
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

/// More than an ADD needs: the heap neither grows nor shrinks step by step.
constexpr int kHeapAtOnce = 1 << 20;

int run(int argc, char** argv) {
  ::mallopt(M_TOP_PAD, kHeapAtOnce);
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
