#include "bridge/config.h"

#include <algorithm>
#include <bitset>
#include <limits>

#include "base/json.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/firewall/masquerade.h"
#include "cni/plugin/interface.h"

namespace berth::bridge {

namespace {

using base::JsonObject;
using cni::Code;

constexpr unsigned kLastVlan = 4094;

[[noreturn]] void reject(const std::string& message) {
  throw cni::Error(Code::kInvalidNetworkConfig, message);
}

void parse_mtu(const JsonObject& json, Config& config) {
  const auto mtu = json.integer("mtu", 0, std::numeric_limits<int>::max());
  config.mtu = static_cast<unsigned>(mtu.value_or(0));
}

void parse_vlan(const JsonObject& json, Config& config) {
  const auto vlan = json.integer("vlan").value_or(0);
  if (vlan < 0 || vlan > kLastVlan) {
    reject("invalid VLAN ID " + std::to_string(vlan) + " (must be between 0 and 4094)");
  }
  config.vlan = static_cast<unsigned>(vlan);
}

std::optional<unsigned> trunk_id(const JsonObject& entry, const char* key) {
  const auto id = entry.integer(key);
  if (!id) return std::nullopt;
  if (*id < 1 || *id > kLastVlan) {
    reject(std::string("incorrect trunk ") + key + " parameter: " + entry.path_of(key) + " is " + std::to_string(*id) +
           ", not 1 to 4094");
  }
  return static_cast<unsigned>(*id);
}

using VlanSet = std::bitset<kLastVlan + 1>;

void add_trunk_entry(const JsonObject& entry, VlanSet& ids) {
  const auto low = trunk_id(entry, "minID");
  const auto high = trunk_id(entry, "maxID");
  if (low.has_value() != high.has_value()) {
    reject(std::string("minID and maxID should be configured simultaneously, ") + (low ? "maxID" : "minID") +
           " is missing in " + entry.path());
  }
  if (low && *low > *high) {
    reject("minID is greater than maxID in trunk parameter: " + entry.path() + " has " + std::to_string(*low) +
           " and " + std::to_string(*high));
  }
  for (unsigned id = low.value_or(1); low && id <= *high; ++id) ids.set(id);
  if (const auto single = trunk_id(entry, "id")) ids.set(*single);
}

std::vector<net::BridgeVlan> ranges_of(const VlanSet& ids) {
  std::vector<net::BridgeVlan> ranges;
  for (uint16_t id = 1; id <= kLastVlan; ++id) {
    if (!ids.test(id)) continue;
    if (!ranges.empty() && ranges.back().last + 1 == id) {
      ranges.back().last = id;
    } else {
      ranges.push_back({id, id, false, false});
    }
  }
  return ranges;
}

void parse_trunk(const JsonObject& json, Config& config) {
  VlanSet ids;
  for (const auto& entry : json.objects("vlanTrunk")) add_trunk_entry(entry, ids);
  config.trunk = ranges_of(ids);
  config.vlan_filtering = config.vlan != 0 || json.has("vlanTrunk");
}

void reject_contradictions(const Config& config) {
  if (config.hairpin && config.promiscuous) {
    reject("cannot set hairpin mode and promiscuous mode at the same time");
  }
  if (config.disable_container_interface && config.has_ipam) {
    reject("cannot use IPAM when DisableContainerInterface flag is set");
  }
  if (config.is_gateway && config.vlan != 0) {
    const auto name = config.vlan_interface();
    if (name.size() > 15) reject("interface name " + name + " made of bridge and vlan is longer than 15 bytes");
  }
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const JsonObject json(request.config());
  Config config;
  if (auto name = cni::interface::configured_name(json, "bridge")) config.bridge = *std::move(name);
  config.is_default_gateway = json.boolean("isDefaultGateway").value_or(false);
  config.is_gateway = json.boolean("isGateway").value_or(false) || config.is_default_gateway;
  config.force_address = json.boolean("forceAddress").value_or(false);
  config.hairpin = json.boolean("hairpinMode").value_or(false);
  config.promiscuous = json.boolean("promiscMode").value_or(false);
  config.preserve_default_vlan = json.boolean("preserveDefaultVlan").value_or(false);
  config.detect_duplicates = json.boolean("enabledad").value_or(false);
  config.disable_container_interface = json.boolean("disableContainerInterface").value_or(false);
  config.port_isolation = json.boolean("portIsolation").value_or(false);
  config.spoof_check = checks_spoofing(request);
  config.has_ipam = cni::ipam::configured(request);
  const auto masquerade = cni::MasqueradeConfig::parse(request);
  config.ip_masq = masquerade.enabled;
  config.ip_masq_backend = masquerade.backend;
  parse_mtu(json, config);
  parse_vlan(json, config);
  parse_trunk(json, config);
  config.mac = cni::interface::requested_mac(request);
  config.dns = cni::interface::configured_dns(request);
  reject_contradictions(config);
  return config;
}

bool checks_spoofing(const cni::Request& request) {
  return JsonObject(request.config()).boolean("macspoofchk").value_or(false);
}

}  // namespace berth::bridge
