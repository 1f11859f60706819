#include "macvlan/macvlan.h"

#include <limits>

#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/attachment.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/master.h"
#include "net/netlink.h"

namespace berth::macvlan {

namespace {

using cni::Request;
using cni::Result;
using net::MacvlanMode;
namespace attachment = cni::attachment;
namespace interface = cni::interface;
namespace master = cni::master;

constexpr const char* kKind = "macvlan";

struct Config {
  master::Config master;
  MacvlanMode mode = MacvlanMode::kBridge;
  int64_t mtu = 0;                      ///< 0: the master's.
  std::optional<net::MacAddress> mac;   ///< Unset: the kernel makes one up.
  uint32_t broadcast_queue_length = 0;  ///< bcqueuelen; 0: the kernel's default.
  bool has_ipam = false;

  static Config parse(const Request& request);
};

MacvlanMode parse_mode(const std::string& mode) {
  if (mode.empty() || mode == "bridge") return MacvlanMode::kBridge;
  if (mode == "private") return MacvlanMode::kPrivate;
  if (mode == "vepa") return MacvlanMode::kVepa;
  if (mode == "passthru") return MacvlanMode::kPassthru;
  throw cni::Error(cni::Code::kInvalidNetworkConfig,
                   "unknown macvlan mode: \"" + mode + "\" (mode is bridge, private, vepa or passthru)");
}

Config Config::parse(const Request& request) {
  const base::JsonObject json(request.config());
  Config config;
  config.master = master::Config::parse(json);
  config.mode = parse_mode(json.string("mode").value_or(""));
  config.mtu = json.integer("mtu").value_or(0);
  config.mac = interface::requested_mac(request, json.string("mac"));
  config.broadcast_queue_length =
      static_cast<uint32_t>(json.unsigned_integer("bcqueuelen", std::numeric_limits<uint32_t>::max()).value_or(0));
  config.has_ipam = cni::ipam::configured(request);
  interface::configured_dns(request);
  return config;
}

void create(const Request& request, const Config& config, const net::NetNs& netns, master::Master& on,
            base::Rollback& rollback) {
  auto link = on.child(request, netns, config.mtu);
  link.mac = config.mac;
  attachment::create(request, netns, rollback,
                     [&] { on.netlink.create_macvlan(link, config.mode, config.broadcast_queue_length); });
  if (config.mode != MacvlanMode::kPassthru || !config.mac) return;
  // It is born with its master's address; setting its own sets the master's until it goes.
  auto container = net::Netlink::in(netns);
  container.set_mac(container.link(request.ifname()).index, *config.mac);
}

}  // namespace

Result MacvlanPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  if (!config.has_ipam) Result().require_expressible_in(request.version());
  auto on = master::find(config.master, netns);
  on.require_mtu(config.mtu);

  base::Rollback rollback;
  create(request, config, netns, on, rollback);
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

void MacvlanPlugin::del(const Request& request) {
  attachment::del(request, kKind);
}

void MacvlanPlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  const auto link = attachment::check(request, netns, kKind, config.mtu);
  master::check(config.master, netns, link);
  if (link.macvlan_mode != config.mode) {
    throw cni::Error(cni::Code::kInternal, "macvlan mode of " + link.name + " is not as mode says");
  }
  if (config.broadcast_queue_length != 0 && link.broadcast_queue_length != 0 &&
      link.broadcast_queue_length != config.broadcast_queue_length) {
    throw cni::Error(cni::Code::kInternal, "broadcast queue of " + link.name + " is " +
                                               std::to_string(link.broadcast_queue_length) + " long, bcqueuelen is " +
                                               std::to_string(config.broadcast_queue_length));
  }
}

void MacvlanPlugin::gc(const Request& request) {
  attachment::gc(request);
}

void MacvlanPlugin::status(const Request& request) {
  master::status(Config::parse(request).master);
  attachment::status(request);
}

}  // namespace berth::macvlan
