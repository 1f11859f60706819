#include "tap/tap.h"

#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/attachment.h"
#include "cni/plugin/interface.h"
#include "net/netlink.h"
#include "tap/config.h"
#include "tap/labelled.h"

namespace berth::tap {

namespace {

using cni::Code;
using cni::Request;
using cni::Result;
namespace attachment = cni::attachment;
namespace interface = cni::interface;

constexpr const char* kKind = "tun";  // the kernel's name for both

/// The bridge that the tap becomes a port of; 0: none is wanted.
int find_bridge(const Config& config, const net::NetNs& netns) {
  if (config.bridge.empty()) return 0;
  const auto bridge = net::Netlink::in(netns).find_link(config.bridge);
  if (bridge && bridge->kind == "bridge") return bridge->index;
  const char* what = bridge ? " is not a bridge" : " does not exist";
  throw cni::Error(Code::kInvalidNetworkConfig, "bridge \"" + config.bridge + "\"" + what + " in " + netns.path());
}

void create(const Config& config, const net::NetNs& netns) {
  netns.within([&] {
    if (config.selinux_context.empty()) {
      net::create_tap(config.device);
    } else {
      create_labelled(config.device, config.selinux_context);
    }
  });
}

/// Before anybody can attach to it.
void set_up(const Config& config, const net::NetNs& netns, int bridge) {
  auto container = net::Netlink::in(netns);
  const int tap = container.link(config.device.name).index;
  container.together([&] {
    if (config.mtu != 0) container.set_mtu(tap, config.mtu);
    if (config.mac) container.set_mac(tap, *config.mac);
    if (bridge != 0) container.set_master(tap, bridge);
  });
}

}  // namespace

Result TapPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  if (!config.selinux_context.empty()) require_selinux(config.selinux_context);
  if (!config.has_ipam) Result().require_expressible_in(request.version());
  const auto netns = interface::open_netns(request);
  const int bridge = find_bridge(config, netns);

  base::Rollback rollback;
  attachment::create(request, netns, rollback, [&] { create(config, netns); });
  set_up(config, netns, bridge);
  cni::throw_if_interrupted();
  Result result;
  if (config.has_ipam) {
    result = attachment::lease(request, netns, rollback);
    attachment::notify_neighbours(request, netns);
    cni::throw_if_interrupted();
  }
  result = attachment::complete(request, netns, std::move(result));
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void TapPlugin::del(const Request& request) {
  attachment::del(request, kKind);
}

void TapPlugin::check(const Request& request) {
  const auto fail = [](const std::string& message) { throw cni::Error(Code::kInternal, message); };
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  const auto link = attachment::check(request, netns, kKind, config.mtu);
  if (!link.tun || !link.tun->is_tap) fail("interface " + link.name + " is not a tap");
  if (link.tun->multi_queue != config.device.multi_queue)
    fail("queues of " + link.name + " are not as multiQueue says");
  if (config.device.owner && link.tun->owner != config.device.owner)
    fail("owner of " + link.name + " is not as owner says");
  if (config.device.group && link.tun->group != config.device.group)
    fail("group of " + link.name + " is not as group says");
  const int bridge = find_bridge(config, netns);
  if (bridge != 0 && link.master != bridge) fail(link.name + " is not a port of bridge " + config.bridge);
}

void TapPlugin::gc(const Request& request) {
  attachment::gc(request);
}

void TapPlugin::status(const Request& request) {
  Config::parse(request);
  attachment::status(request);
}

}  // namespace berth::tap
