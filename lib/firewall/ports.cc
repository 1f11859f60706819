#include "firewall/ports.h"

#include <netinet/in.h>

#include <algorithm>
#include <stdexcept>

namespace berth::firewall {

using net::Family;

uint8_t protocol_number(const std::string& protocol) {
  if (protocol == "tcp") return IPPROTO_TCP;
  if (protocol == "udp") return IPPROTO_UDP;
  if (protocol == "sctp") return IPPROTO_SCTP;
  throw std::invalid_argument("unknown protocol \"" + protocol + "\"");
}

std::string protocol_name(uint8_t number) {
  switch (number) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_SCTP:
      return "sctp";
    default:
      return "";
  }
}

bool concerns(const PortMapping& port, Family family) {
  return !port.host_ip || port.host_ip->family() == family;
}

std::optional<net::IpAddress> limited_to(const PortMapping& port) {
  return port.host_ip && !port.host_ip->is_unspecified() ? port.host_ip : std::nullopt;
}

std::vector<Family> families_of(const Publication& publication) {
  std::vector<Family> families;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    if (!(family == Family::kIpv4 ? publication.container_v4 : publication.container_v6)) continue;
    const auto& ports = publication.ports;
    if (std::any_of(ports.begin(), ports.end(), [&](const auto& port) { return concerns(port, family); })) {
      families.push_back(family);
    }
  }
  return families;
}

const net::IpNet& container_address(const Publication& publication, Family family) {
  return family == Family::kIpv4 ? *publication.container_v4 : *publication.container_v6;
}

std::string describe(const Conflict& conflict) {
  std::string text = "port " + std::to_string(conflict.port.host_port) + "/" + conflict.port.protocol;
  if (conflict.port.host_ip) text += " of " + conflict.port.host_ip->to_string();
  text += " is already published by ";
  if (conflict.owner.container_id.empty()) return text + "another container";
  return text + "container \"" + conflict.owner.container_id + "\" of network \"" + conflict.owner.network + "\"";
}

bool is_iptables_syntax(const std::vector<std::string>& tokens) {
  return !tokens.empty() && (tokens.front().starts_with('-') || tokens.front().starts_with('!'));
}

}  // namespace berth::firewall
