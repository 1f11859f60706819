#pragma once

#include <string>
#include <vector>

#include "cni/request.h"
#include "firewall/firewall.h"

namespace berth::portmap {

/// The portmap plugin's keys, checked.
struct Config {
  std::string backend;  ///< "" (automatic), "iptables" or "nftables": as asked for, or as only one can do the rest.
  firewall::PublishOptions options;
  std::vector<firewall::PortMapping> ports;  ///< runtimeConfig.portMappings

  /// Throws cni::Error or base::JsonError naming key and value. Ports are 1 to 65535; the protocol is tcp, udp or sctp
  /// in any case, and tcp if it is absent or empty; no two mappings have the same hostPort, protocol and hostIP.
  static Config parse(const cni::Request& request);
};

}  // namespace berth::portmap
