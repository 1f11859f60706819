#pragma once

#include <optional>
#include <string>

#include "cni/request.h"
#include "net/mac.h"
#include "net/tap.h"

namespace berth::tap {

/// The configuration of one tap interface; the keys are those of the reference tap plugin.
struct Config {
  net::NewTap device;                  ///< Named CNI_IFNAME; multiQueue, owner, group.
  unsigned mtu = 0;                    ///< 0: the kernel's default.
  std::optional<net::MacAddress> mac;  ///< Unset: the kernel makes one up.
  std::string selinux_context;         ///< selinuxContext; empty: the plugin's own.
  std::string bridge;                  ///< In the container's namespace; empty: none.
  bool has_ipam = false;

  /// Reads and validates the configuration of ADD, CHECK or STATUS. Throws cni::Error or base::JsonError naming key and
  /// value.
  static Config parse(const cni::Request& request);
};

}  // namespace berth::tap
