#include "sbr/config.h"

#include <algorithm>
#include <limits>

#include "base/json.h"
#include "cni/error.h"

namespace berth::sbr {

namespace {

using base::JsonObject;

std::vector<net::IpAddress> parse_gateways(const JsonObject& json) {
  std::vector<net::IpAddress> gateways;
  for (const auto& text : json.strings("gateways")) {
    const auto key = json.path_of("gateways") + "[" + std::to_string(gateways.size()) + "]";
    const auto gateway = net::IpAddress::try_parse(text);
    if (!gateway) {
      throw cni::Error(cni::Code::kInvalidNetworkConfig, key + ": expected an IP address, got \"" + text + "\"");
    }
    const bool has_family = std::any_of(gateways.begin(), gateways.end(), [&](const net::IpAddress& other) {
      return other.family() == gateway->family();
    });
    if (has_family) {
      throw cni::Error(cni::Code::kInvalidNetworkConfig,
                       key + ": \"" + text + "\" is the second " + (gateway->is_v4() ? "IPv4" : "IPv6") + " gateway");
    }
    gateways.push_back(*gateway);
  }
  return gateways;
}

}  // namespace

std::optional<uint32_t> parse_table(const cni::Request& request) {
  const auto table = JsonObject(request.config()).integer("table", 1, std::numeric_limits<uint32_t>::max());
  return table ? std::optional(static_cast<uint32_t>(*table)) : std::nullopt;
}

Config Config::parse(const cni::Request& request) {
  const JsonObject json(request.config());
  Config config;
  config.table = parse_table(request);
  config.gateways = parse_gateways(json);
  config.add_source_hints = json.boolean("addSourceHints").value_or(false);
  return config;
}

std::optional<net::IpAddress> Config::gateway(net::Family family) const {
  const auto found = std::find_if(gateways.begin(), gateways.end(),
                                  [&](const net::IpAddress& gateway) { return gateway.family() == family; });
  return found != gateways.end() ? std::optional(*found) : std::nullopt;
}

}  // namespace berth::sbr
