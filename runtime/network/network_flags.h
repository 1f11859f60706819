#pragma once

#include <string>
#include <vector>

#include "oci/config.h"

namespace berth::runtime {

/// --network, --publish, --net-dir and --cni-path as they were given.
struct NetworkFlags {
  std::vector<std::string> networks;  ///< "NAME[:INTERFACE]"
  std::vector<std::string> publish;   ///< "[IP:]HOST:CONTAINER[/PROTOCOL]"
  std::string net_dir;
  std::string cni_path;

  bool empty() const { return networks.empty() && publish.empty() && net_dir.empty() && cni_path.empty(); }
};

/// The text of config.json with what the flags ask for: annotations (oci/network_annotations.h) that cni-hook reads,
/// and createRuntime and poststop hooks that run it, unless the configuration runs it already. Throws
/// std::runtime_error for malformed flags, for a port published twice, and if cni-hook is nowhere to be found.
std::string add_networking(const std::string& config_json, const NetworkFlags& flags);

/// Throws if the container would not have a new network namespace of its own: the host's must not be rewired, and the
/// networks of a joined one belong to the container that made it.
void require_own_network(const oci::Config& config);

}  // namespace berth::runtime
