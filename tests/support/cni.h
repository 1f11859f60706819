#pragma once

#include <map>
#include <string>

#include "base/process.h"

namespace berth::test {

/// A network configuration directory and the plugins that serve it, driven by our cnitool as a user would.
struct CniHost {
  std::string plugins;    ///< CNI_PATH
  std::string net_dir;    ///< Where the lists are.
  std::string cache_dir;  ///< Results.
  std::string path;       ///< PATH for plugins that fork tools; empty: the usual one.

  base::CommandResult cnitool(const std::string& command, const std::string& network, const std::string& netns,
                              const std::map<std::string, std::string>& env = {}) const;
};

/// The list most people run: a bridge with addresses from one subnet, and published ports.
/// `subnet` like "10.12.0.0/24"; leases are kept in `data_dir`.
std::string web_conflist(const std::string& name, const std::string& bridge, const std::string& subnet,
                         const std::string& data_dir, const std::string& version = "1.0.0");

/// CAP_ARGS for published TCP ports, host port to container port.
std::string published(const std::map<int, int>& ports);

}  // namespace berth::test
