#include "plugins/firewall/bridges.h"

#include <algorithm>
#include <set>
#include <vector>

#include "cni/error.h"
#include "net/netlink.h"

namespace berth::firewall_plugin {

namespace {

std::vector<std::string> host_interfaces(const cni::Result& result) {
  std::vector<std::string> names;
  for (const auto& interface : result.interfaces) {
    if (interface.sandbox.empty()) names.push_back(interface.name);
  }
  return names;
}

}  // namespace

std::string bridge_of(const cni::Result& previous) {
  const auto names = host_interfaces(previous);
  if (!names.empty() && !names[0].empty()) return names[0];
  throw cni::Error(cni::Code::kInvalidNetworkConfig,
                   "ingressPolicy needs a bridge: prevResult names no interface on the host",
                   "chain \"firewall\" after \"bridge\"");
}

std::string port_of(const cni::Result& previous) {
  const auto names = host_interfaces(previous);
  return names.size() > 1 ? names[1] : "";
}

std::function<bool(const std::string&)> used_by_others(const cni::Request& request) {
  const auto names = request.previous() ? host_interfaces(*request.previous()) : std::vector<std::string>{};
  return [own = std::set<std::string>(names.begin(), names.end())](const std::string& bridge) {
    auto host = net::Netlink::here();
    const auto link = host.find_link(bridge);
    if (!link) return false;
    if (link->kind != "bridge") return !own.contains(bridge);
    const auto ports = host.ports(link->index);
    return std::any_of(ports.begin(), ports.end(), [&](const auto& port) { return !own.contains(port.name); });
  };
}

}  // namespace berth::firewall_plugin
