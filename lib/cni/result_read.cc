// Reading results of every version (CNI spec 1.1.0, section 5; 0.1.0 and 0.2.0 have a shape of their own).

#include <algorithm>
#include <stdexcept>

#include "base/json.h"
#include "cni/error.h"
#include "cni/result.h"

namespace berth::cni {

using base::Json;
using base::JsonError;
using base::JsonObject;

namespace {

template <class Parse>
auto parsed(const JsonObject& object, const char* key, const std::string& text, Parse&& parse) {
  try {
    return parse(text);
  } catch (const std::invalid_argument& error) {
    throw JsonError(object.path_of(key) + ": " + error.what());
  }
}

std::optional<net::IpAddress> optional_address(const JsonObject& object, const char* key) {
  const auto text = object.string(key);
  if (!text || text->empty()) return std::nullopt;
  return parsed(object, key, *text, net::IpAddress::parse);
}

net::IpNet required_net(const JsonObject& object, const char* key) {
  return parsed(object, key, object.required_string(key), net::IpNet::parse);
}

unsigned optional_unsigned(const JsonObject& object, const char* key) {
  return static_cast<unsigned>(object.integer(key, 0, std::numeric_limits<uint32_t>::max()).value_or(0));
}

Route read_route(const JsonObject& object) {
  Route route;
  route.dst = required_net(object, "dst");
  route.gw = optional_address(object, "gw");
  route.mtu = optional_unsigned(object, "mtu");
  route.advmss = optional_unsigned(object, "advmss");
  route.priority = optional_unsigned(object, "priority");
  route.table = object.integer("table");
  route.scope = object.integer("scope");
  return route;
}

Dns read_dns(const JsonObject& object) {
  return {object.strings("nameservers"), object.string("domain").value_or(""), object.strings("search"),
          object.strings("options")};
}

Interface read_interface(const JsonObject& object) {
  return {object.string("name").value_or(""),       object.string("mac").value_or(""),
          object.string("sandbox").value_or(""),    optional_unsigned(object, "mtu"),
          object.string("socketPath").value_or(""), object.string("pciID").value_or("")};
}

IpConfig read_ip(const JsonObject& object) {
  return {object.integer("interface"), required_net(object, "address"), optional_address(object, "gateway")};
}

void read_modern(const JsonObject& object, Result& result) {
  for (const auto& entry : object.objects("interfaces")) result.interfaces.push_back(read_interface(entry));
  for (const auto& entry : object.objects("ips")) result.ips.push_back(read_ip(entry));
  for (const auto& entry : object.objects("routes")) result.routes.push_back(read_route(entry));
}

/// 0.1.0 and 0.2.0: one block for each family, ip4 first.
void read_early(const JsonObject& object, Result& result) {
  for (const char* family : {"ip4", "ip6"}) {
    const auto block = object.object(family);
    if (!block) continue;
    result.ips.push_back({std::nullopt, required_net(*block, "ip"), optional_address(*block, "gateway")});
    for (const auto& entry : block->objects("routes")) {
      result.routes.push_back({required_net(entry, "dst"), optional_address(entry, "gw"), 0, 0, 0, {}, {}});
    }
  }
}

}  // namespace

Route route_from_json(const Json& value, const std::string& path) {
  return read_route(JsonObject(value, path));
}

Dns dns_from_json(const Json& value, const std::string& path) {
  return read_dns(JsonObject(value, path));
}

Result Result::from_json(const Json& value, const std::string& default_version) {
  Result result;
  if (value.is_null()) return result;
  const JsonObject object(value);
  std::string version = object.string("cniVersion").value_or("");
  if (version.empty()) version = default_version;
  const auto& known = all_versions();
  if (std::find(known.begin(), known.end(), version) == known.end()) {
    throw Error(Code::kIncompatibleVersion, "unsupported result version \"" + version + "\"");
  }
  if (compare_versions(version, "0.3.0") < 0) {
    read_early(object, result);
  } else {
    read_modern(object, result);
  }
  if (const auto dns = object.object("dns")) result.dns = read_dns(*dns);
  return result;
}

}  // namespace berth::cni
