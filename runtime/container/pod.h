#pragma once

#include <string>

#include "container/store.h"

namespace berth::runtime {

/// `--pod NAME` and `--share pid`.
struct PodFlags {
  std::string name;  ///< The container whose namespaces are joined; empty: none.
  bool share_pid = false;

  bool empty() const { return name.empty() && !share_pid; }
};

/// config.json of a container that lives in the network, IPC and UTS namespaces of the container `flags.name`, and with
/// share_pid in its PID namespace: their entries in linux.namespaces get the paths of its process. A host name of the
/// configuration is left out, since the pod has one. Throws std::runtime_error if that container is not running, has no
/// such namespace of its own, or if the configuration joins another namespace already.
std::string join_pod(const std::string& config_json, const PodFlags& flags, const Store& store);

}  // namespace berth::runtime
