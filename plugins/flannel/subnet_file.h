#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/ip.h"

namespace berth::flannel {

/// What flanneld says of this node in its subnet.env: lines KEY=VALUE.
struct SubnetFile {
  std::vector<net::IpNet> networks;  ///< FLANNEL_NETWORK, then FLANNEL_IPV6_NETWORK: of the whole cluster, each once.
  std::vector<net::IpNet> subnets;   ///< FLANNEL_SUBNET, then FLANNEL_IPV6_SUBNET: this node's, without host bits.
  unsigned mtu = 0;                  ///< FLANNEL_MTU
  bool ip_masq = false;              ///< FLANNEL_IPMASQ: flanneld masquerades, so nobody else needs to.

  /// Throws cni::Error(kTryAgainLater) if the file is missing, incomplete or malformed: flanneld writes it when it
  /// starts.
  static SubnetFile read(const std::string& path);
};

}  // namespace berth::flannel
