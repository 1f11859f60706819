#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "cni/client/client.h"
#include "container/store.h"

/// What there is: the networks of net.d and of the cache, and who is attached to them.
namespace berth::runtime {

/// One attachment as its ADD left it in the cache.
struct NetworkAttachment {
  cni::Client::Cached cached;
  std::string netns;                         ///< Empty if the namespace it was made in is gone.
  std::vector<std::string> addresses;        ///< "10.12.0.2/24"
  std::vector<std::string> host_interfaces;  ///< Its end on the host; none for plugins without one.
  std::vector<std::string> ports;            ///< "8080->80/tcp", "127.0.0.1:53->5353/udp"
};

/// A bridge that a network's configuration names.
struct NetworkBridge {
  std::string name;
  bool exists = false;
  bool up = false;
  std::vector<std::string> addresses;  ///< Without link-local ones.
};

struct Network {
  cni::NetworkList list;
  bool configured = false;  ///< False: only attachments are left of it; the list is the one they were made with.
  std::vector<std::string> plugins;
  std::optional<NetworkBridge> bridge;
  std::vector<NetworkAttachment> attachments;  ///< By container and interface.
};

/// Where networks, plugins, the cache and our own containers are.
struct NetworkPlaces {
  explicit NetworkPlaces(Store containers) : store(std::move(containers)) {}

  Store store;
  std::string net_dir;
  std::vector<std::string> plugin_directories;
  std::string cache_directory = "/var/lib/cni";

  cni::Client client() const;
};

/// Networks by name. Files of net.d that cannot be read are reported in `problems`, "FILE: why". With names, only
/// these; throws std::runtime_error naming one that does not exist.
std::vector<Network> load_inventory(const NetworkPlaces& places, const std::vector<std::string>& names,
                                    std::vector<std::string>& problems);

/// `network ls`: NETWORK, VERSION, PLUGINS, ATTACHMENTS, FILE.
std::string network_table(const std::vector<Network>& networks);
/// `network inspect`: a tree of bridges, attachments, addresses and ports.
std::string network_tree(const std::vector<Network>& networks);
/// Both as JSON: an array of {name, cniVersion, path, plugins, bridge {name, exists, up, addresses}, attachments
/// [{containerID, ifname, netns, alive, hostInterfaces, addresses, ports}]}.
base::Json network_json(const std::vector<Network>& networks);

}  // namespace berth::runtime
