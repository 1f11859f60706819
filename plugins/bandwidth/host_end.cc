#include "bandwidth/host_end.h"

#include "cni/error.h"
#include "cni/plugin/interface.h"

namespace berth::bandwidth {

namespace {

using cni::Code;
using cni::Error;
using cni::Request;

/// The veths among prevResult's interfaces on the host; `index` 0: whatever their index.
std::optional<net::Link> recorded_veth(net::Netlink& host, const cni::Result& previous, int index) {
  for (const auto& recorded : previous.interfaces) {
    if (!recorded.sandbox.empty()) continue;
    auto link = host.find_link(recorded.name);
    if (link && link->kind == "veth" && (index == 0 || link->index == index)) return link;
  }
  return std::nullopt;
}

}  // namespace

net::Link host_end(net::Netlink& host, const Request& request) {
  const auto& previous = cni::interface::required_previous(request);
  const auto link = net::Netlink::in(cni::interface::open_netns(request)).find_link(request.ifname());
  if (!link) throw Error(Code::kInternal, "interface " + request.ifname() + " does not exist in " + request.netns());
  if (link->kind != "veth" || link->parent == 0) {
    throw Error(Code::kInvalidNetworkConfig, "container interface " + request.ifname() + " has no veth peer");
  }
  if (auto peer = recorded_veth(host, previous, link->parent)) return *std::move(peer);
  throw Error(Code::kInvalidNetworkConfig, "no veth peer of container interface found in host ns",
              "prevResult lists no veth on the host with index " + std::to_string(link->parent) + ", the peer of " +
                  request.ifname());
}

std::optional<net::Link> find_host_end(net::Netlink& host, const Request& request) {
  if (!request.previous()) return std::nullopt;
  const auto netns = cni::interface::find_netns(request);
  const auto link = netns ? net::Netlink::in(*netns).find_link(request.ifname()) : std::nullopt;
  if (link && link->kind != "veth") return std::nullopt;
  return recorded_veth(host, *request.previous(), link ? link->parent : 0);
}

}  // namespace berth::bandwidth
