#include "plan.h"

#include <algorithm>
#include <stdexcept>

#include "base/json.h"
#include "cni/error.h"
#include "cni/invoke.h"

namespace berth::cni_hook {
namespace {

using base::Json;
using base::JsonObject;

/// The network of containers that publish ports and name no network. Its subnet is one that the usual container engines
/// and clusters do not use.
constexpr const char* kDefaultList = R"({
  "cniVersion": "1.1.0",
  "name": "berth",
  "loadOnlyInlinedPlugins": true,
  "plugins": [
    {
      "type": "bridge",
      "bridge": "berth0",
      "isGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.213.0.0/16"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
})";

bool takes(const cni::NetworkList& list, const char* capability) {
  return std::any_of(list.plugins.begin(), list.plugins.end(), [&](const auto& plugin) {
    const auto declared = JsonObject(*plugin).object("capabilities");
    return declared && declared->boolean(capability).value_or(false);
  });
}

void require_plugins(const cni::NetworkList& list, const Settings& settings) {
  for (const auto& plugin : list.plugins) {
    const JsonObject object(*plugin);
    cni::find_plugin(object.required_string("type"), settings.plugin_directories);
    const auto ipam = object.object("ipam");
    const auto delegate = ipam ? ipam->string("type").value_or("") : "";
    if (!delegate.empty()) cni::find_plugin(delegate, settings.plugin_directories);
  }
}

Json port_mappings(const std::vector<oci::PublishedPort>& ports) {
  Json mappings = Json::array();
  for (const auto& port : ports) {
    Json mapping = {{"hostPort", port.host_port}, {"containerPort", port.container_port}, {"protocol", port.protocol}};
    if (port.host_ip) mapping["hostIP"] = port.host_ip->to_string();
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

/// Asks for addresses by capability if the list has it, else by CNI_ARGS, which hold one.
void ask_for_ips(const cni::NetworkList& list, const oci::NetworkRequest& request, Json& capabilities,
                 cni::AttachmentConfig& attachment) {
  if (request.ips.empty()) return;
  if (takes(list, "ips")) {
    capabilities["ips"] = request.ips;
  } else if (request.ips.size() == 1) {
    attachment.args.emplace_back("IP", request.ips.front());
  } else {
    throw std::runtime_error("more than one address is asked for, and no plugin has the capability ips");
  }
}

void ask_for_mac(const cni::NetworkList& list, const oci::NetworkRequest& request, Json& capabilities,
                 cni::AttachmentConfig& attachment) {
  if (request.mac.empty()) return;
  if (takes(list, "mac"))
    capabilities["mac"] = request.mac;
  else
    attachment.args.emplace_back("MAC", request.mac);
}

Planned plan_one(const oci::NetworkSetup& setup, const oci::NetworkRequest& request, const Settings& settings,
                 bool& ports_placed) {
  Planned planned{find_network(settings, request.name), {}};
  require_plugins(planned.list, settings);
  auto& attachment = planned.attachment;
  attachment.ifname = request.ifname;
  attachment.args = setup.args;
  Json capabilities = Json::object();
  if (!setup.ports.empty() && !ports_placed && takes(planned.list, "portMappings")) {
    capabilities["portMappings"] = port_mappings(setup.ports);
    ports_placed = true;
  }
  ask_for_ips(planned.list, request, capabilities, attachment);
  ask_for_mac(planned.list, request, capabilities, attachment);
  if (!capabilities.empty()) attachment.capability_args = std::make_shared<const Json>(std::move(capabilities));
  return planned;
}

void complete(cni::AttachmentConfig& attachment, const std::string& container_id, const std::string& netns) {
  attachment.container_id = container_id;
  attachment.netns = netns;
  const bool lenient = std::any_of(attachment.args.begin(), attachment.args.end(),
                                   [](const auto& arg) { return arg.first == "IgnoreUnknown"; });
  if (!lenient) attachment.args.emplace(attachment.args.begin(), "IgnoreUnknown", "1");
  attachment.args.emplace_back(kMark, container_id);
}

}  // namespace

cni::NetworkList find_network(const Settings& settings, const std::string& name) {
  if (name != oci::kDefaultNetwork) return cni::load_network(settings.net_dir, name);
  // Files that cannot be read are others' networks: they do not keep the default network from being the built-in one.
  for (auto& list : cni::load_networks(settings.net_dir, [](const std::string&, const std::string&) {}))
    if (list.name == name) return std::move(list);
  return cni::parse_list(kDefaultList, "");
}

std::vector<Planned> plan(const oci::NetworkSetup& setup, const Settings& settings, const std::string& container_id,
                          const std::string& netns) {
  std::vector<Planned> attachments;
  bool ports_placed = false;
  for (const auto& request : setup.networks) {
    try {
      attachments.push_back(plan_one(setup, request, settings, ports_placed));
      complete(attachments.back().attachment, container_id, netns);
    } catch (const std::exception& error) {
      throw std::runtime_error("network \"" + request.name + "\": " + error.what());
    }
  }
  if (!setup.ports.empty() && !ports_placed)
    throw std::runtime_error("ports are to be published (" + oci::format_ports(setup.ports) + "), but no plugin of " +
                             oci::format_networks(setup.networks) + " has the capability portMappings");
  return attachments;
}

}  // namespace berth::cni_hook
