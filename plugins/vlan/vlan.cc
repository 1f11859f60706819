#include "vlan/vlan.h"

#include <cerrno>

#include "base/error.h"
#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/attachment.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/master.h"
#include "net/netlink.h"

namespace berth::vlan {

namespace {

using cni::Code;
using cni::Request;
using cni::Result;
namespace attachment = cni::attachment;
namespace interface = cni::interface;
namespace master = cni::master;

constexpr const char* kKind = "vlan";
constexpr int64_t kLastVlan = 4094;

/// The plugin's own code: the master has an interface for this VLAN, and can have only one.
constexpr auto kVlanTaken = static_cast<Code>(100);

struct Config {
  master::Config master;
  uint16_t id = 0;
  int64_t mtu = 0;  ///< 0: the master's.

  static Config parse(const Request& request);
};

Config Config::parse(const Request& request) {
  const base::JsonObject json(request.config());
  Config config;
  config.master = master::Config::parse(json);
  if (config.master.name.empty()) {
    throw cni::Error(Code::kInvalidNetworkConfig,
                     "\"master\" field is required. It specifies the interface name to create the VLAN for.");
  }
  const auto id = json.integer("vlanId").value_or(0);
  if (id < 0 || id > kLastVlan) {
    throw cni::Error(Code::kInvalidNetworkConfig,
                     "invalid VLAN ID " + std::to_string(id) + " (vlanId must be between 0 and 4094)");
  }
  config.id = static_cast<uint16_t>(id);
  config.mtu = json.integer("mtu").value_or(0);
  if (!cni::ipam::configured(request)) {
    throw cni::Error(Code::kInvalidNetworkConfig, "vlan interface requires an IPAM configuration");
  }
  interface::configured_dns(request);
  return config;
}

void create(const Request& request, const Config& config, const net::NetNs& netns, master::Master& on,
            base::Rollback& rollback) {
  const auto link = on.child(request, netns, config.mtu);
  try {
    attachment::create(request, netns, rollback, [&] { on.netlink.create_vlan(link, config.id); });
  } catch (const base::SystemError& error) {
    if (error.code() != EEXIST) throw;
    throw cni::Error(kVlanTaken, "vlanId " + std::to_string(config.id) + " of master \"" + on.link.name +
                                     "\" has an interface already, and cannot have another");
  }
}

}  // namespace

Result VlanPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  auto on = master::find(config.master, netns);
  on.require_mtu(config.mtu);

  base::Rollback rollback;
  create(request, config, netns, on, rollback);
  cni::throw_if_interrupted();
  auto result = attachment::lease(request, netns, rollback);
  cni::throw_if_interrupted();
  result = attachment::complete(request, netns, std::move(result));
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void VlanPlugin::del(const Request& request) {
  attachment::del(request, kKind);
}

void VlanPlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  const auto netns = interface::open_netns(request);
  const auto link = attachment::check(request, netns, kKind, config.mtu);
  master::check(config.master, netns, link);
  if (link.vlan_id != config.id) {
    throw cni::Error(Code::kInternal, "VLAN ID of " + link.name + " is " + std::to_string(link.vlan_id.value_or(0)) +
                                          ", vlanId says " + std::to_string(config.id));
  }
}

void VlanPlugin::gc(const Request& request) {
  attachment::gc(request);
}

void VlanPlugin::status(const Request& request) {
  master::status(Config::parse(request).master);
  attachment::status(request);
}

}  // namespace berth::vlan
