#include "portmap/config.h"

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "base/text.h"
#include "cni/error.h"
#include "firewall/ports.h"

namespace berth::portmap {

namespace {

using base::JsonObject;
using cni::Code;
using cni::Error;
using firewall::PortMapping;

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

uint16_t parse_port(const JsonObject& mapping, const char* key) {
  const auto port = mapping.integer(key, 1, 65535);
  if (!port) throw Error(Code::kInvalidNetworkConfig, "missing " + mapping.path_of(key));
  return static_cast<uint16_t>(*port);
}

std::string parse_protocol(const JsonObject& mapping) {
  const std::string given = mapping.string("protocol").value_or("");
  if (given.empty()) return "tcp";
  const std::string protocol = lower_case(given);
  if (protocol == "tcp" || protocol == "udp" || protocol == "sctp") return protocol;
  throw Error(Code::kInvalidNetworkConfig,
              mapping.path_of("protocol") + ": expected tcp, udp or sctp, got \"" + given + "\"");
}

std::optional<net::IpAddress> parse_host_ip(const JsonObject& mapping) {
  const std::string text = mapping.string("hostIP").value_or("");
  if (text.empty()) return std::nullopt;
  const auto address = net::IpAddress::try_parse(text);
  if (address) return address;
  throw Error(Code::kInvalidNetworkConfig,
              mapping.path_of("hostIP") + ": expected an IP address, got \"" + text + "\"");
}

bool same_host_side(const PortMapping& a, const PortMapping& b) {
  return a.host_port == b.host_port && a.protocol == b.protocol && a.host_ip == b.host_ip;
}

std::vector<PortMapping> parse_ports(const JsonObject& config) {
  std::vector<PortMapping> ports;
  const auto runtime = config.object("runtimeConfig");
  if (!runtime) return ports;
  for (const auto& mapping : runtime->objects("portMappings")) {
    PortMapping port;
    port.host_port = parse_port(mapping, "hostPort");
    port.container_port = parse_port(mapping, "containerPort");
    port.protocol = parse_protocol(mapping);
    port.host_ip = parse_host_ip(mapping);
    if (std::any_of(ports.begin(), ports.end(), [&](const auto& other) { return same_host_side(port, other); })) {
      throw Error(Code::kInvalidNetworkConfig, mapping.path_of("hostPort") + ": port " +
                                                   std::to_string(port.host_port) + "/" + port.protocol +
                                                   " is mapped twice");
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

firewall::PublishOptions parse_options(const JsonObject& config) {
  firewall::PublishOptions options;
  options.snat = config.boolean("snat").value_or(true);
  options.masquerade_all = config.boolean("masqAll").value_or(false);
  options.external_setmark_chain = config.string("externalSetMarkChain").value_or("");
  const auto bit = config.integer("markMasqBit", 0, 31);
  if (bit && !options.external_setmark_chain.empty()) {
    throw Error(
        Code::kInvalidNetworkConfig, "Cannot specify externalSetMarkChain and markMasqBit",
        "externalSetMarkChain is \"" + options.external_setmark_chain + "\", markMasqBit is " + std::to_string(*bit));
  }
  if (bit) options.mark_bit = static_cast<unsigned>(*bit);
  options.conditions_v4 = config.strings("conditionsV4");
  options.conditions_v6 = config.strings("conditionsV6");
  return options;
}

/// The keys that only one of the backends understands.
std::vector<std::string> keys_for_iptables(const JsonObject& config, const firewall::PublishOptions& options) {
  std::vector<std::string> keys;
  if (!options.external_setmark_chain.empty()) keys.emplace_back("externalSetMarkChain");
  if (config.has("markMasqBit")) keys.emplace_back("markMasqBit");
  if (firewall::is_iptables_syntax(options.conditions_v4)) keys.emplace_back("conditionsV4");
  if (firewall::is_iptables_syntax(options.conditions_v6)) keys.emplace_back("conditionsV6");
  return keys;
}

std::vector<std::string> keys_for_nftables(const firewall::PublishOptions& options) {
  std::vector<std::string> keys;
  for (const auto& [key, tokens] :
       {std::pair{"conditionsV4", &options.conditions_v4}, std::pair{"conditionsV6", &options.conditions_v6}}) {
    if (!tokens->empty() && !firewall::is_iptables_syntax(*tokens)) keys.emplace_back(key);
  }
  return keys;
}

[[noreturn]] void refuse_options(const std::string& chosen, const std::string& other,
                                 const std::vector<std::string>& keys) {
  throw Error(Code::kInvalidNetworkConfig, chosen + " backend was requested but configuration contains " + other +
                                               "-specific options [" + base::join(keys, " ") + "]");
}

/// The backend asked for, or the one that the other keys ask for; "" where both would do.
std::string parse_backend(const JsonObject& config, const firewall::PublishOptions& options) {
  const std::string backend = config.string("backend").value_or("");
  const auto iptables = keys_for_iptables(config, options);
  const auto nftables = keys_for_nftables(options);
  if (!backend.empty() && backend != "iptables" && backend != "nftables") {
    throw Error(Code::kInvalidNetworkConfig, "unrecognized backend \"" + backend + "\"");
  }
  if (backend == "nftables" && !iptables.empty()) refuse_options(backend, "iptables", iptables);
  if ((backend == "iptables" || !iptables.empty()) && !nftables.empty())
    refuse_options("iptables", "nftables", nftables);
  if (!backend.empty()) return backend;
  if (!iptables.empty()) return "iptables";
  return nftables.empty() ? "" : "nftables";
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const JsonObject config(request.config());
  auto options = parse_options(config);
  return {parse_backend(config, options), std::move(options), parse_ports(config)};
}

}  // namespace berth::portmap
