#pragma once

#include <optional>
#include <string>

#include "cni/request.h"
#include "net/link.h"
#include "net/mac.h"
#include "net/netlink.h"
#include "net/sysfs.h"

namespace berth::host_device {

/// Which of the host's devices is meant: the first of these that is set.
struct Config {
  std::string device;                     ///< Name of the interface.
  std::optional<net::MacAddress> hwaddr;  ///< Its hardware address.
  std::string kernel_path;                ///< kernelpath: its device below /sys/devices/.
  std::string pci_id;                     ///< pciBusID, or the PCI device that runtimeConfig.deviceID names.
  std::string auxiliary_id;               ///< The auxiliary device that runtimeConfig.deviceID names.
  bool in_user_space = false;             ///< A PCI device that a program drives (DPDK): there is no interface to move.
  bool has_ipam = false;

  /// Reads and validates the configuration of ADD or CHECK. Throws cni::Error or base::JsonError naming key and value.
  static Config parse(const cni::Request& request, const net::Sysfs& sysfs);

  /// The interface on the host. Throws cni::Error(kInvalidNetworkConfig) if there is none.
  net::Link find(net::Netlink& host, const net::Sysfs& sysfs) const;
};

}  // namespace berth::host_device
