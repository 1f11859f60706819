#include "flannel/config.h"

#include <strings.h>

#include <vector>

#include "base/json.h"
#include "cni/error.h"
#include "flannel/subnet_file.h"

namespace berth::flannel {

namespace {

using base::Json;
using base::JsonObject;

constexpr const char* kDefaultSubnetFile = "/run/flannel/subnet.env";
constexpr const char* kDefaultDataDir = "/var/lib/cni/flannel";

[[noreturn]] void reject(const std::string& msg) {
  throw cni::Error(cni::Code::kInvalidNetworkConfig, msg);
}

std::string path_or(const cni::Request& request, const char* key, const char* fallback) {
  const auto path = JsonObject(request.config()).string(key).value_or("");
  return path.empty() ? fallback : path;
}

Json copy_of_object(const JsonObject& config, const char* key) {
  const auto object = config.object(key);
  return object ? object->raw() : Json::object();
}

/// What the user says of the delegate, before anything is filled in.
Json read_delegate(const JsonObject& config) {
  auto delegate = copy_of_object(config, "delegate");
  const JsonObject given(delegate, "delegate");
  const auto* type = given.find("type");
  if (type != nullptr && !type->is_string()) {
    reject("'delegate' dictionary, if present, must have (string) 'type' field, got " + base::describe(*type));
  }
  for (const char* key : {"name", "ipam"}) {
    if (!given.has(key)) continue;
    reject(std::string("'delegate' dictionary must not have '") + key + "' field, it'll be set by flannel");
  }
  return delegate;
}

void set_default(Json& object, const char* key, Json value) {
  if (!JsonObject(object).has(key)) set_key(object, key, std::move(value));
}

Json make_ipam(const JsonObject& config, const SubnetFile& subnet) {
  auto ipam = copy_of_object(config, "ipam");
  set_default(ipam, "type", "host-local");
  Json ranges = Json::array();
  for (const auto& net : subnet.subnets) ranges.push_back(Json::array({Json{{"subnet", net.to_string()}}}));
  Json routes = Json::array();
  for (const Json* route : JsonObject(ipam, "ipam").array("routes")) routes.push_back(*route);
  for (const auto& net : subnet.networks) routes.push_back({{"dst", net.to_string()}});
  set_key(ipam, "ranges", std::move(ranges));
  set_key(ipam, "routes", std::move(routes));
  return ipam;
}

}  // namespace

void set_key(Json& object, const std::string& key, Json value) {
  std::vector<std::string> spellings;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (::strcasecmp(it.key().c_str(), key.c_str()) == 0) spellings.push_back(it.key());
  }
  for (const auto& spelling : spellings) object.erase(spelling);
  object[key] = std::move(value);
}

std::string subnet_file_of(const cni::Request& request) {
  return path_or(request, "subnetFile", kDefaultSubnetFile);
}

std::string data_dir_of(const cni::Request& request) {
  return path_or(request, "dataDir", kDefaultDataDir);
}

std::string delegate_type(const Json& config) {
  return JsonObject(config).string("type").value_or("");
}

Json make_delegate_config(const cni::Request& request) {
  const JsonObject config(request.config());
  auto delegate = read_delegate(config);
  const auto subnet = SubnetFile::read(subnet_file_of(request));
  if (const auto runtime = config.object("runtimeConfig")) set_key(delegate, "runtimeConfig", runtime->raw());
  set_key(delegate, "name", request.network());
  set_key(delegate, "cniVersion", request.version());
  set_default(delegate, "type", "bridge");
  set_default(delegate, "ipMasq", !subnet.ip_masq);
  set_default(delegate, "mtu", subnet.mtu);
  if (delegate_type(delegate) == "bridge") set_default(delegate, "isGateway", true);
  set_key(delegate, "ipam", make_ipam(config, subnet));
  return delegate;
}

}  // namespace berth::flannel
