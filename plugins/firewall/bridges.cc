#include "plugins/firewall/bridges.h"

#include <algorithm>
#include <set>
#include <utility>

#include "cni/error.h"
#include "net/netlink.h"

namespace berth::firewall_plugin {

namespace {

std::set<std::string> host_interfaces(const cni::Request& request) {
  std::set<std::string> names;
  if (!request.previous()) return names;
  for (const auto& interface : request.previous()->interfaces) {
    if (interface.sandbox.empty()) names.insert(interface.name);
  }
  return names;
}

}  // namespace

std::string bridge_of(const cni::Result& previous) {
  const auto& all = previous.interfaces;
  const auto found = std::find_if(all.begin(), all.end(), [](const auto& each) { return each.sandbox.empty(); });
  if (found != all.end() && !found->name.empty()) return found->name;
  throw cni::Error(cni::Code::kInvalidNetworkConfig,
                   "ingressPolicy needs a bridge: prevResult names no interface on the host",
                   "chain \"firewall\" after \"bridge\"");
}

std::function<bool(const std::string&)> used_by_others(const cni::Request& request) {
  return [own = host_interfaces(request)](const std::string& bridge) {
    auto host = net::Netlink::here();
    const auto link = host.find_link(bridge);
    if (!link) return false;
    if (link->kind != "bridge") return !own.contains(bridge);
    const auto ports = host.ports(link->index);
    return std::any_of(ports.begin(), ports.end(), [&](const auto& port) { return !own.contains(port.name); });
  };
}

}  // namespace berth::firewall_plugin
