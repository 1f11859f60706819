#include "loopback/loopback.h"

#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "net/netlink.h"

namespace berth::loopback {

namespace {

using cni::Request;
using cni::Result;
namespace interface = cni::interface;

constexpr const char* kName = "lo";

/// lo's addresses, IPv4 first, which must all be loopback ones.
std::vector<cni::IpConfig> loopback_addresses(net::Netlink& container, const net::Link& link) {
  std::vector<cni::IpConfig> ips;
  for (const auto family : {net::Family::kIpv4, net::Family::kIpv6}) {
    for (const auto& found : container.addresses(link.index, family)) {
      if (!found.address.address.is_loopback()) {
        throw cni::Error(cni::Code::kInternal,
                         "non-loopback address " + found.address.to_string() + " found on lo interface");
      }
      ips.push_back({.interface = 0, .address = found.address, .gateway = std::nullopt});
    }
  }
  return ips;
}

}  // namespace

Result LoopbackPlugin::add(const Request& request) {
  auto container = net::Netlink::in(interface::open_netns(request));
  const auto link = container.link(kName);
  base::Rollback rollback;
  if (!link.is_up()) {
    rollback.add("set down lo", [&] { container.set_down(link.index); });
    container.set_up(link.index);
  }
  auto ips = loopback_addresses(container, link);
  rollback.dismiss();
  if (request.previous()) return *request.previous();
  Result result;
  result.interfaces.push_back(interface::describe(link, request.netns(), request.version()));
  result.interfaces[0].mtu = 0;  // the reference names it for real interfaces alone
  result.ips = std::move(ips);
  return result;
}

void LoopbackPlugin::del(const Request& request) {
  const auto netns = interface::find_netns(request);
  if (!netns) return;
  auto container = net::Netlink::in(*netns);
  container.set_down(container.link(kName).index);
}

void LoopbackPlugin::check(const Request& request) {
  if (net::Netlink::in(interface::open_netns(request)).link(kName).is_up()) return;
  throw cni::Error(cni::Code::kInternal, "loopback interface is down");
}

}  // namespace berth::loopback
