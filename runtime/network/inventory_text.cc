#include "base/json.h"
#include "base/text.h"
#include "commands/table.h"
#include "network/inventory.h"

namespace berth::runtime {

namespace {

using base::Json;

/// The words that are not empty, two spaces between them.
std::string line_of(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) {
    if (word.empty()) continue;
    text += (text.empty() ? "" : "  ") + word;
  }
  return text + "\n";
}

std::string attachment_line(const NetworkAttachment& attachment) {
  const auto& config = attachment.cached.attachment;
  return line_of({config.container_id + " " + config.ifname, base::join(attachment.addresses, " "),
                  base::join(attachment.host_interfaces, " "), base::join(attachment.ports, " "),
                  attachment.netns.empty() ? "(gone)" : ""});
}

std::string bridge_line(const NetworkBridge& bridge) {
  return line_of({bridge.name,
                  !bridge.exists ? "missing"
                  : bridge.up    ? "up"
                                 : "down",
                  base::join(bridge.addresses, " ")});
}

std::string attachment_lines(const Network& network, const std::string& indent) {
  std::string text;
  for (const auto& attachment : network.attachments) {
    const bool last = &attachment == &network.attachments.back();
    text += indent + (last ? "└─ " : "├─ ") + attachment_line(attachment);
  }
  return text;
}

}  // namespace

std::string network_table(const std::vector<Network>& networks) {
  Table table({"NETWORK", "VERSION", "PLUGINS", "ATTACHMENTS", "FILE"});
  for (const auto& network : networks) {
    table.add({network.list.name, network.list.version, base::join(network.plugins, ","),
               std::to_string(network.attachments.size()), network.configured ? network.list.path : "(none)"});
  }
  return table.text();
}

std::string network_tree(const std::vector<Network>& networks) {
  std::string text;
  for (const auto& network : networks) {
    text += line_of({network.list.name, network.list.version, base::join(network.plugins, ","),
                     network.configured ? network.list.path : "(no configuration)"});
    if (network.bridge) {
      // A bridge is the only branch of its network; who is attached hangs from it.
      text += "└─ " + bridge_line(*network.bridge) + attachment_lines(network, "   ");
    } else {
      text += attachment_lines(network, "");
    }
  }
  return text;
}

Json network_json(const std::vector<Network>& networks) {
  auto all = Json::array();
  for (const auto& network : networks) {
    Json object{{"name", network.list.name},
                {"cniVersion", network.list.version},
                {"path", network.configured ? network.list.path : ""},
                {"plugins", network.plugins},
                {"attachments", Json::array()}};
    if (const auto& bridge = network.bridge) {
      object["bridge"] = {
          {"name", bridge->name}, {"exists", bridge->exists}, {"up", bridge->up}, {"addresses", bridge->addresses}};
    }
    for (const auto& attachment : network.attachments) {
      const auto& config = attachment.cached.attachment;
      object["attachments"].push_back({{"containerID", config.container_id},
                                       {"ifname", config.ifname},
                                       {"netns", config.netns},
                                       {"alive", !attachment.netns.empty()},
                                       {"hostInterfaces", attachment.host_interfaces},
                                       {"addresses", attachment.addresses},
                                       {"ports", attachment.ports}});
    }
    all.push_back(std::move(object));
  }
  return all;
}

}  // namespace berth::runtime
