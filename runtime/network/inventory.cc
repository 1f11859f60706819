#include "network/inventory.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "base/json.h"
#include "cni/client/survivor.h"
#include "cni/result.h"
#include "net/netlink.h"
#include "net/netns.h"

namespace berth::runtime {

namespace {

using base::Json;
using base::JsonObject;

std::vector<std::string> plugin_types(const cni::NetworkList& list) {
  std::vector<std::string> types;
  for (const auto& plugin : list.plugins) types.push_back(JsonObject(*plugin).string("type").value_or(""));
  return types;
}

/// The bridge that the network's `bridge` plugin makes; "cni0" is the plugin's own default.
std::optional<NetworkBridge> bridge_of(const cni::NetworkList& list, net::Netlink& host) {
  for (const auto& plugin : list.plugins) {
    const JsonObject config(*plugin);
    if (config.string("type") != "bridge") continue;
    NetworkBridge bridge;
    bridge.name = config.string("bridge").value_or("cni0");
    if (const auto link = host.find_link(bridge.name)) {
      bridge.exists = true;
      bridge.up = link->is_up();
      for (const auto& entry : host.addresses(link->index)) {
        if (!entry.address.address.is_link_local_unicast()) bridge.addresses.push_back(entry.address.to_string());
      }
    }
    return bridge;
  }
  return std::nullopt;
}

std::string port_text(const JsonObject& mapping) {
  const auto host_ip = mapping.string("hostIP").value_or("");
  const bool in_brackets = host_ip.find(':') != std::string::npos;
  return (host_ip.empty() ? "" : (in_brackets ? "[" + host_ip + "]" : host_ip) + ":") +
         std::to_string(mapping.integer("hostPort").value_or(0)) + "->" +
         std::to_string(mapping.integer("containerPort").value_or(0)) + "/" +
         mapping.string("protocol").value_or("tcp");
}

bool is_other_namespace(const std::string& path) {
  try {
    return !net::NetNs::open(path).same_as(net::NetNs::current());
  } catch (const std::exception&) {
    return false;
  }
}

/// The attachment's namespace, empty if it is gone. What is below /proc comes to belong to other processes: it must be
/// that of a container of ours which lives, or hold the interface that ADD made.
std::string live_netns(const cni::Client::Cached& cached, const Store& store) {
  const auto& path = cached.attachment.netns;
  if (path.empty() || !is_other_namespace(path)) return "";
  if (!path.starts_with("/proc/")) return path;
  try {
    const auto record = store.load(cached.attachment.container_id);
    const auto own = "/proc/" + std::to_string(record.pid) + "/";
    if (path.starts_with(own) && status_of(store, record) != "stopped") return path;
  } catch (const std::exception&) {
    // It is not a container of ours.
  }
  return cni::surviving_netns(cached);
}

NetworkAttachment describe(cni::Client::Cached cached, const Store& store) {
  NetworkAttachment attachment;
  attachment.netns = live_netns(cached, store);
  if (cached.result) {
    const auto result = cni::Result::from_json(*cached.result, "1.0.0");
    for (const auto& ip : result.ips) attachment.addresses.push_back(ip.address.to_string());
    for (const auto& interface : result.interfaces) {
      if (interface.sandbox.empty()) attachment.host_interfaces.push_back(interface.name);
    }
  }
  if (const auto& args = cached.attachment.capability_args) {
    for (const auto& mapping : JsonObject(*args).objects("portMappings"))
      attachment.ports.push_back(port_text(mapping));
  }
  attachment.cached = std::move(cached);
  return attachment;
}

/// The attachment's host ends without the network's bridge, which every attachment reports.
void leave_out_bridge(Network& network) {
  if (!network.bridge) return;
  for (auto& attachment : network.attachments) std::erase(attachment.host_interfaces, network.bridge->name);
}

void add_attachments(const NetworkPlaces& places, std::map<std::string, Network>& networks,
                     std::vector<std::string>& problems) {
  for (auto& cached : places.client().cached_attachments()) {
    const std::string what = cached.network + " " + cached.attachment.container_id + " " + cached.attachment.ifname;
    try {
      if (!networks.contains(cached.network)) {
        networks[cached.network].list = cni::parse_list(cached.config, "attachment " + what);
        networks[cached.network].list.path.clear();
      }
      networks[cached.network].attachments.push_back(describe(std::move(cached), places.store));
    } catch (const std::exception& error) {
      problems.push_back("attachment " + what + ": " + error.what());
    }
  }
}

}  // namespace

cni::Client NetworkPlaces::client() const {
  cni::ClientOptions options;
  options.plugin_directories = plugin_directories;
  options.cache_directory = cache_directory;
  return cni::Client(std::move(options));
}

std::vector<Network> load_inventory(const NetworkPlaces& places, const std::vector<std::string>& names,
                                    std::vector<std::string>& problems) {
  std::map<std::string, Network> all;
  for (auto& list : cni::load_networks(places.net_dir, [&](const std::string&path, const std::string&why) {
         problems.push_back(path + ": " + why);
       })) {
    auto& network = all[list.name];
    if (network.configured) continue;  // the first file of a name counts
    network.configured = true;
    network.list = std::move(list);
  }
  add_attachments(places, all, problems);

  auto host = net::Netlink::here();
  std::vector<Network> chosen;
  for (auto& [name, network] : all) {
    if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
    network.plugins = plugin_types(network.list);
    network.bridge = bridge_of(network.list, host);
    leave_out_bridge(network);
    std::sort(network.attachments.begin(), network.attachments.end(), [](const auto& a, const auto& b) {
      const auto& left = a.cached.attachment;
      const auto& right = b.cached.attachment;
      return std::tie(left.container_id, left.ifname) < std::tie(right.container_id, right.ifname);
    });
    chosen.push_back(std::move(network));
  }
  for (const auto& name : names) {
    if (!all.contains(name)) throw std::runtime_error("no network \"" + name + "\" in " + places.net_dir);
  }
  return chosen;
}

}  // namespace berth::runtime
