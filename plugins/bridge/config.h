#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cni/request.h"
#include "cni/result.h"
#include "net/link.h"
#include "net/mac.h"

namespace berth::bridge {

/// The configuration of one attachment to a bridge; the keys are those of the reference bridge plugin.
struct Config {
  std::string bridge = "cni0";
  bool is_gateway = false;          ///< isGateway, or implied by isDefaultGateway
  bool is_default_gateway = false;  ///< isDefaultGateway
  bool force_address = false;       ///< forceAddress
  bool ip_masq = false;             ///< ipMasq; without IPAM there is nothing to masquerade.
  std::string ip_masq_backend;      ///< ipMasqBackend; empty: automatic.
  unsigned mtu = 0;                 ///< 0: the kernel's default.
  bool hairpin = false;             ///< hairpinMode
  bool promiscuous = false;         ///< promiscMode
  unsigned vlan = 0;                ///< 0: none.
  bool vlan_filtering = false;      ///< The bridge, if we make it, tells VLANs apart.
  /// vlanTrunk: merged, ascending, tagged.
  std::vector<net::BridgeVlan> trunk;
  bool preserve_default_vlan = false;        ///< preserveDefaultVlan
  bool detect_duplicates = false;            ///< enabledad
  bool disable_container_interface = false;  ///< disableContainerInterface
  bool port_isolation = false;               ///< portIsolation
  bool spoof_check = false;                  ///< macspoofchk
  std::optional<net::MacAddress> mac;        ///< Of the container's end.
  bool has_ipam = false;
  std::optional<cni::Dns> dns;  ///< Replaces IPAM's.

  /// Reads and validates the configuration of ADD or CHECK. Throws cni::Error or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);

  /// Where the gateway addresses are when a VLAN is set: "cni0.100".
  std::string vlan_interface() const { return bridge + "." + std::to_string(vlan); }
};

/// The key macspoofchk alone, where the rest may be as wrong as it likes (DEL, GC).
bool checks_spoofing(const cni::Request& request);

}  // namespace berth::bridge
