#include "ipvlan/ipvlan.h"

#include <limits>

#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/attachment.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/master.h"
#include "net/netlink.h"

namespace berth::ipvlan {

namespace {

using cni::Code;
using cni::Request;
using cni::Result;
using net::IpvlanMode;
namespace attachment = cni::attachment;
namespace interface = cni::interface;
namespace master = cni::master;

constexpr const char* kKind = "ipvlan";

struct Config {
  master::Config master;
  IpvlanMode mode = IpvlanMode::kL2;
  int64_t mtu = 0;        ///< 0: the master's.
  bool has_ipam = false;  ///< Else the addresses are those of prevResult.

  static Config parse(const Request& request);
};

IpvlanMode parse_mode(const std::string& mode) {
  if (mode.empty() || mode == "l2") return IpvlanMode::kL2;
  if (mode == "l3") return IpvlanMode::kL3;
  if (mode == "l3s") return IpvlanMode::kL3s;
  throw cni::Error(Code::kInvalidNetworkConfig, "unknown ipvlan mode: \"" + mode + "\" (mode is l2, l3 or l3s)");
}

Config Config::parse(const Request& request) {
  const base::JsonObject json(request.config());
  Config config;
  config.master = master::Config::parse(json);
  config.mode = parse_mode(json.string("mode").value_or(""));
  config.mtu = json.integer("mtu", 0, std::numeric_limits<int>::max()).value_or(0);
  config.has_ipam = cni::ipam::configured(request);
  interface::configured_dns(request);
  return config;
}

/// Behind another plugin, an unnamed master is that plugin's interface.
master::Config master_in_chain(const Request& request, master::Config master) {
  if (!master.name.empty() || !request.previous()) return master;
  const auto& interfaces = request.previous()->interfaces;
  if (interfaces.size() != 1 || interfaces[0].name.empty()) {
    throw cni::Error(Code::kInvalidNetworkConfig, "chained master failure. PrevResult lacks a single named interface");
  }
  master.name = interfaces[0].name;
  return master;
}

/// The addresses are IPAM's, or else the previous plugin's.
void require_addresses(const Request& request, const Config& config) {
  if (config.has_ipam || (request.previous() && !request.previous()->ips.empty())) return;
  throw cni::Error(Code::kInvalidNetworkConfig, "ipvlan needs ipam, or a prevResult with addresses");
}

}  // namespace

Result IpvlanPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  require_addresses(request, config);
  const auto netns = interface::open_netns(request);
  auto on = master::find(master_in_chain(request, config.master), netns);
  const auto link = on.child(request, netns, config.mtu);

  base::Rollback rollback;
  attachment::create(request, netns, rollback, [&] { on.netlink.create_ipvlan(link, config.mode); });
  cni::throw_if_interrupted();
  auto result = config.has_ipam ? attachment::lease(request, netns, rollback) : *request.previous();
  attachment::notify_neighbours(request, netns);
  cni::throw_if_interrupted();
  result = attachment::complete(request, netns, std::move(result));
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void IpvlanPlugin::del(const Request& request) {
  attachment::del(request, kKind);
}

void IpvlanPlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  const auto link = attachment::check(request, netns, kKind, config.mtu);
  master::check(config.master, netns, link);
  if (link.ipvlan_mode != config.mode) {
    throw cni::Error(Code::kInternal, "ipvlan mode of " + link.name + " is not as mode says");
  }
}

void IpvlanPlugin::gc(const Request& request) {
  attachment::gc(request);
}

void IpvlanPlugin::status(const Request& request) {
  const auto config = Config::parse(request);
  // Without both, the plugin before this one in the list gives the master.
  if (!config.master.name.empty() || config.has_ipam) master::status(config.master);
  attachment::status(request);
}

}  // namespace berth::ipvlan
