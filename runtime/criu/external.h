#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "oci/config.h"

/// What a container has that is not its own, and therefore is not in CRIU's images: CRIU is told where it is, and what
/// it is called. The names are those that runc uses, so that either can restore what the other dumped.
namespace berth::runtime::criu {

/// Something of the host that is mounted in the container.
struct ExternalMount {
  std::string place;   ///< In the container, symbolic links resolved.
  std::string source;  ///< On the host.
};

/// Bind mounts of the configuration, the host's devices (bound in user namespaces), and the container's cgroups where
/// they are bound. `root`: the container's root file system or, before its mounts are there, the directory that it will
/// be. `cgroups`: as in the record. `sources`: where prepare_root has put the sources of bind mounts; empty: their own
/// places.
std::vector<ExternalMount> external_mounts(const oci::Config& config, const std::map<std::string, std::string>& cgroups,
                                           const base::Fd& root, const std::string& sources);

/// Those of linux.maskedPaths that are covered by the host's null device, in the container with this root.
std::vector<std::string> masked_files(const oci::Config& config, const base::Fd& root);

/// "mnt[PLACE]:NAME", as a dump is told of a mount, and "mnt[NAME]:SOURCE", as a restore is.
std::string external_mount(const std::string& key, const std::string& value);

/// The type, and what CRIU is to call it, of the namespaces that are joined and stay where they are ("net",
/// "extRootNetNS"). All others CRIU makes anew, or joins by itself.
std::string external_namespace(oci::NamespaceType type);

}  // namespace berth::runtime::criu
