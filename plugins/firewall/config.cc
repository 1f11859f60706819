#include "plugins/firewall/config.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "cni/error.h"

namespace berth::firewall_plugin {

namespace {

using base::JsonObject;
using cni::Code;
using cni::Error;
using firewall::IngressPolicy;

std::string parse_backend(const JsonObject& config) {
  const std::string backend = config.string("backend").value_or("");
  if (backend == "auto") return "";
  constexpr std::array kKnown{"", "iptables", "nftables", "firewalld"};
  if (std::find(kKnown.begin(), kKnown.end(), backend) != kKnown.end()) return backend;
  throw Error(Code::kInvalidNetworkConfig, "unrecognized backend \"" + backend + "\"",
              "use \"iptables\", \"nftables\", \"firewalld\", or leave it out");
}

IngressPolicy parse_ingress(const JsonObject& config) {
  const std::string policy = config.string("ingressPolicy").value_or("");
  if (policy.empty() || policy == "open") return IngressPolicy::kOpen;
  if (policy == "same-bridge") return IngressPolicy::kSameBridge;
  if (policy == "isolated") return IngressPolicy::kIsolated;
  throw Error(Code::kInvalidNetworkConfig, "unknown ingress policy: \"" + policy + "\"",
              "ingressPolicy is open, same-bridge or isolated");
}

/// What iptables itself takes for a chain's name, and none of the names that mean something else here.
std::string parse_admin_chain(const JsonObject& config) {
  const std::string name = config.string("iptablesAdminChainName").value_or("");
  if (name.empty()) return firewall::AdmissionOptions().admin_chain;
  constexpr size_t kLongest = 28;
  constexpr std::array kReserved{"ACCEPT",
                                 "DROP",
                                 "RETURN",
                                 "QUEUE",
                                 "INPUT",
                                 "OUTPUT",
                                 "FORWARD",
                                 "CNI-FORWARD",
                                 "CNI-ISOLATION-STAGE-1",
                                 "CNI-ISOLATION-STAGE-2"};
  const bool is_reserved = std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
  const bool is_odd = name[0] == '-' || name[0] == '!' ||
                      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
  if (!is_reserved && !is_odd && name.size() <= kLongest) return name;
  throw Error(Code::kInvalidNetworkConfig, "iptablesAdminChainName: \"" + name + "\" cannot be the name of a chain",
              "at most 28 bytes, no white space, no '-' or '!' in front, not one of the names with another meaning");
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const JsonObject json(request.config());
  Config config;
  config.backend = parse_backend(json);
  config.ingress = parse_ingress(json);
  config.options.admin_chain = parse_admin_chain(json);
  const std::string zone = json.string("firewalldZone").value_or("");
  if (!zone.empty()) config.options.firewalld_zone = zone;
  return config;
}

Config Config::parse_leniently(const cni::Request& request) {
  try {
    return parse(request);
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace berth::firewall_plugin
