#include "portmap/config.h"

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "cni/error.h"

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

}  // namespace

std::string parse_backend(const cni::Request& request) {
  const std::string backend = JsonObject(request.config()).string("backend").value_or("");
  if (backend.empty() || backend == "iptables") return backend;
  if (backend == "nftables") {
    throw Error(Code::kUnsupportedField, "backend \"nftables\" is not supported", "use \"iptables\" or leave it out");
  }
  throw Error(Code::kInvalidNetworkConfig, "unrecognized backend \"" + backend + "\"");
}

Config Config::parse(const cni::Request& request) {
  const JsonObject config(request.config());
  return {parse_backend(request), parse_options(config), parse_ports(config)};
}

}  // namespace berth::portmap
