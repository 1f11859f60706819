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

/// An OCI hook that reads the annotations of oci/network_annotations.h.
struct NetworkHook {
  std::string path;
  std::vector<std::string> arguments;  ///< After its name and the stage.
};

/// The hook that runs CNI networks. Throws std::runtime_error if it is nowhere to be found.
NetworkHook cni_hook();

/// The text of config.json with what the flags ask for: annotations, and createRuntime and poststop hooks that run
/// `hook`, unless the configuration runs it already. Throws std::runtime_error for malformed flags and for a port
/// published twice.
std::string add_networking(const std::string& config_json, const NetworkFlags& flags, const NetworkHook& hook);

/// Throws if the container would not have a new network namespace of its own: the host's must not be rewired, and the
/// networks of a joined one belong to the container that made it.
void require_own_network(const oci::Config& config);

}  // namespace berth::runtime
