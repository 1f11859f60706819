#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cni/request.h"
#include "net/mac.h"

namespace berth::tuning {

/// One sysctl to be set.
struct Sysctl {
  std::string key;    ///< As the configuration spells it: what the allow-list is about.
  std::string name;   ///< Below /proc/sys, with '/' separators and the interface's name in place of IFNAME.
  std::string value;  ///< What is written.
};

/// The plugin's keys, checked; `args.cni.*` has replaced what is given there, too.
struct Config {
  std::string data_dir;
  std::vector<Sysctl> sysctls;  ///< In the document's order, each name once.
  std::optional<net::MacAddress> mac;
  bool promiscuous = false;              ///< Only true acts.
  unsigned mtu = 0;                      ///< 0: as it is.
  std::optional<bool> all_multicast;     ///< allmulti
  std::optional<unsigned> queue_length;  ///< txQLen

  bool changes_link() const { return mac || promiscuous || mtu != 0 || all_multicast || queue_length; }

  /// Throws cni::Error or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);
};

/// The `dataDir` key alone: what DEL and GC need, whatever else is wrong with the configuration.
std::string parse_data_dir(const cni::Request& request);

}  // namespace berth::tuning
