#pragma once

#include <string>
#include <vector>

/// Where networks and plugins are on a host, for programs that are not told (docs/hooks.md, "Settings").
namespace berth::cni {

/// $BERTH_NET_DIR, $NETCONFPATH or /etc/cni/net.d.
std::string net_dir();

/// $BERTH_CNI_PATH or $CNI_PATH; else /opt/cni/bin and /usr/lib/cni, and before them, in a build tree, the directory of
/// this executable.
std::vector<std::string> plugin_directories();

}  // namespace berth::cni
