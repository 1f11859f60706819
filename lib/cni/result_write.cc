// Writing results in the shape of every version (CNI spec 1.1.0, section 5; 0.1.0 and 0.2.0 have a shape of their own).

#include "base/json.h"
#include "cni/error.h"
#include "cni/result.h"

namespace berth::cni {

using base::Json;

namespace {

Json dns_object(const Dns& dns) {
  Json object = Json::object();
  if (!dns.nameservers.empty()) object["nameservers"] = dns.nameservers;
  if (!dns.domain.empty()) object["domain"] = dns.domain;
  if (!dns.search.empty()) object["search"] = dns.search;
  if (!dns.options.empty()) object["options"] = dns.options;
  return object;
}

Json interface_object(const Interface& interface, bool v1_1) {
  Json object = {{"name", interface.name}};
  if (!interface.mac.empty()) object["mac"] = interface.mac;
  if (!interface.sandbox.empty()) object["sandbox"] = interface.sandbox;
  if (!v1_1) return object;
  if (interface.mtu != 0) object["mtu"] = interface.mtu;
  if (!interface.socket_path.empty()) object["socketPath"] = interface.socket_path;
  if (!interface.pci_id.empty()) object["pciID"] = interface.pci_id;
  return object;
}

Json ip_object(const IpConfig& ip, bool with_family) {
  Json object = Json::object();
  if (with_family) object["version"] = ip.address.is_v4() ? "4" : "6";
  if (ip.interface) object["interface"] = *ip.interface;
  object["address"] = ip.address.to_string();
  if (ip.gateway) object["gateway"] = ip.gateway->to_string();
  return object;
}

/// 0.1.0 and 0.2.0 know dst and gw only.
Json early_route_object(const Route& route) {
  Json object = {{"dst", route.dst.to_string()}};
  if (route.gw) object["gw"] = route.gw->to_string();
  return object;
}

Json route_object(const Route& route) {
  Json object = early_route_object(route);
  if (route.mtu != 0) object["mtu"] = route.mtu;
  if (route.advmss != 0) object["advmss"] = route.advmss;
  if (route.priority != 0) object["priority"] = route.priority;
  if (route.table) object["table"] = *route.table;
  if (route.scope) object["scope"] = *route.scope;
  return object;
}

Json early_block(const IpConfig& ip, const std::vector<Route>& routes) {
  Json block = {{"ip", ip.address.to_string()}};
  if (ip.gateway) block["gateway"] = ip.gateway->to_string();
  for (const auto& route : routes) {
    if (route.dst.is_v4() == ip.address.is_v4()) block["routes"].push_back(early_route_object(route));
  }
  return block;
}

void write_early(const Result& result, Json& object) {
  for (const auto& ip : result.ips) {
    const char* family = ip.address.is_v4() ? "ip4" : "ip6";
    if (!object.contains(family)) object[family] = early_block(ip, result.routes);
  }
}

void write_modern(const Result& result, const std::string& version, Json& object) {
  const bool v1_1 = compare_versions(version, "1.1.0") >= 0;
  const bool with_family = compare_versions(version, "1.0.0") < 0;
  for (const auto& interface : result.interfaces) object["interfaces"].push_back(interface_object(interface, v1_1));
  for (const auto& ip : result.ips) object["ips"].push_back(ip_object(ip, with_family));
  for (const auto& route : result.routes) object["routes"].push_back(route_object(route));
}

}  // namespace

void Result::require_expressible_in(const std::string& version) const {
  if (compare_versions(version, "0.3.0") < 0 && ips.empty()) {
    throw Error(Code::kInvalidNetworkConfig, "cannot convert: no valid IP addresses",
                "a result of version " + version + " needs an address");
  }
}

Json Result::to_json(const std::string& version) const {
  require_expressible_in(version);
  Json object = {{"cniVersion", version}};
  if (compare_versions(version, "0.3.0") < 0) {
    write_early(*this, object);
  } else {
    write_modern(*this, version, object);
  }
  if (!dns.empty() || compare_versions(version, "1.0.0") < 0) object["dns"] = dns_object(dns);
  return object;
}

}  // namespace berth::cni
