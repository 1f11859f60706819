#include "config.h"

#include <algorithm>
#include <stdexcept>

#include "base/json.h"
#include "base/text.h"
#include "cni/error.h"

namespace berth::static_ipam {
namespace {

using base::JsonObject;
using cni::Code;
using cni::IpConfig;

[[noreturn]] void reject(const std::string& why) {
  throw cni::Error(Code::kInvalidNetworkConfig, why);
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// `complaint` says what `text` should have been.
net::IpNet parse_cidr(const std::string& text, const std::string& complaint, Code code) {
  try {
    return net::IpNet::parse(text);
  } catch (const std::invalid_argument&) {
    throw cni::Error(code, complaint + ", got: '" + text + "'");
  }
}

IpConfig read_address(const JsonObject& entry) {
  const auto cidr = parse_cidr(entry.string("address").value_or(""),
                               entry.path_of("address") + ": the 'address' field is expected to be in CIDR notation",
                               Code::kInvalidNetworkConfig);
  const auto gateway = entry.string("gateway").value_or("");
  if (gateway.empty()) return {std::nullopt, cidr, std::nullopt};
  const auto parsed = net::IpAddress::try_parse(gateway);
  if (!parsed) reject(entry.path_of("gateway") + ": invalid IP address \"" + gateway + "\"");
  return {std::nullopt, cidr, parsed};
}

void append_ips_of_environment(const std::string& value, std::vector<IpConfig>& ips) {
  for (const auto& part : base::split(value, ',')) {
    ips.push_back({std::nullopt,
                   parse_cidr(trimmed(part), "CNI_ARGS: the 'IP' field is expected to be in CIDR notation",
                              Code::kInvalidEnvironment),
                   std::nullopt});
  }
}

void set_gateways_of_environment(const std::string& value, std::vector<IpConfig>& ips) {
  for (const auto& part : base::split(value, ',')) {
    const auto gateway = net::IpAddress::try_parse(trimmed(part));
    if (!gateway) throw cni::Error(Code::kInvalidEnvironment, "CNI_ARGS: invalid GATEWAY address: " + part);
    for (auto& ip : ips) {
      if (ip.address.contains(*gateway)) ip.gateway = gateway;
    }
  }
}

std::vector<IpConfig> read_addresses(const cni::Request& request, const JsonObject& ipam) {
  std::vector<IpConfig> ips;
  for (const auto& entry : ipam.objects("addresses")) ips.push_back(read_address(entry));
  // Whatever the order of the two in CNI_ARGS: a gateway is for every address.
  const auto args = request.args({"IP", "GATEWAY"});
  for (const auto& [key, value] : args) {
    if (key == "IP") append_ips_of_environment(value, ips);
  }
  for (const auto& [key, value] : args) {
    if (key == "GATEWAY") set_gateways_of_environment(value, ips);
  }
  return ips;
}

/// `ips` of args.cni or runtimeConfig, if it has any, in place of all others.
void replace_by_ips(const std::optional<JsonObject>& object, std::vector<IpConfig>& ips) {
  if (!object) return;
  const auto texts = object->strings("ips");
  if (!texts.empty()) ips.clear();
  for (const auto& text : texts) {
    ips.push_back({std::nullopt,
                   parse_cidr(text, object->path_of("ips") + ": an entry in the 'ips' field is NOT in CIDR notation",
                              Code::kInvalidNetworkConfig),
                   std::nullopt});
  }
}

void require_expressible(const std::vector<IpConfig>& ips, const std::string& version) {
  if (cni::compare_versions(version, "0.3.0") >= 0) return;
  const auto v4 = std::count_if(ips.begin(), ips.end(), [](const IpConfig& ip) { return ip.address.is_v4(); });
  if (v4 > 1 || static_cast<size_t>(v4) + 1 < ips.size()) {
    reject("CNI version " + version + " does not support more than 1 address per family");
  }
}

}  // namespace

cni::Result answer_to(const cni::Request& request) {
  const JsonObject config(request.config());
  const auto ipam = config.object("ipam");
  if (!ipam) reject("IPAM config missing 'ipam' key");

  cni::Result result;
  result.ips = read_addresses(request, *ipam);
  const auto args = config.object("args");
  replace_by_ips(args ? args->object("cni") : std::nullopt, result.ips);
  replace_by_ips(config.object("runtimeConfig"), result.ips);
  require_expressible(result.ips, request.version());
  for (const auto& route : ipam->objects("routes")) {
    result.routes.push_back(cni::route_from_json(route.raw(), route.path()));
  }
  if (const auto dns = ipam->object("dns")) result.dns = cni::dns_from_json(dns->raw(), dns->path());
  result.require_expressible_in(request.version());
  return result;
}

}  // namespace berth::static_ipam
