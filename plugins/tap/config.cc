#include "tap/config.h"

#include <linux/if_ether.h>

#include <limits>

#include "base/json.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"

namespace berth::tap {

namespace {

/// What the kernel's tun driver takes: MIN_MTU to MAX_MTU less the Ethernet header (drivers/net/tun.c).
constexpr int64_t kSmallestMtu = 68;
constexpr int64_t kLargestMtu = 65535 - ETH_HLEN;

/// The kernel's "nobody": as an owner it would mean that there is none.
constexpr uint64_t kLargestId = std::numeric_limits<uint32_t>::max() - 1;

std::optional<uint32_t> parse_id(const base::JsonObject& json, const char* key) {
  const auto id = json.unsigned_integer(key, kLargestId);
  return id ? std::optional(static_cast<uint32_t>(*id)) : std::nullopt;
}

unsigned parse_mtu(const base::JsonObject& json) {
  const auto mtu = json.integer("mtu").value_or(0);
  if (mtu == 0 || (mtu >= kSmallestMtu && mtu <= kLargestMtu)) return static_cast<unsigned>(mtu);
  throw cni::Error(cni::Code::kInvalidNetworkConfig, "invalid mtu " + std::to_string(mtu) + " (must be 0 or " +
                                                         std::to_string(kSmallestMtu) + " to " +
                                                         std::to_string(kLargestMtu) + ")");
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const base::JsonObject json(request.config());
  Config config;
  config.device.name = request.ifname();
  config.device.multi_queue = json.boolean("multiQueue").value_or(false);
  config.device.owner = parse_id(json, "owner");
  config.device.group = parse_id(json, "group");
  config.mtu = parse_mtu(json);
  config.mac = cni::interface::requested_mac(request, json.string("mac"));
  config.selinux_context = json.string("selinuxContext").value_or("");
  config.bridge = cni::interface::configured_name(json, "bridge").value_or("");
  config.has_ipam = cni::ipam::configured(request);
  cni::interface::configured_dns(request);
  // What programs find before they choose for themselves: the reference makes the device in one of two ways, and these
  // come with one of them.
  const bool with_headers = config.device.owner && config.device.group && config.selinux_context.empty();
  config.device.vnet_header = with_headers;
  config.device.packet_information = with_headers;
  return config;
}

}  // namespace berth::tap
