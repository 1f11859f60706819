#include "support/cni.h"

#include "base/json.h"
#include "support/programs.h"

namespace berth::test {

using base::Json;

base::CommandResult CniHost::cnitool(const std::string& command, const std::string& network, const std::string& netns,
                                     const std::map<std::string, std::string>& env) const {
  RunOptions options;
  options.env = env;
  options.env["CNI_PATH"] = plugins;
  options.env["NETCONFPATH"] = net_dir;
  if (!path.empty()) options.env["PATH"] = path;
  return run({built("cnitool"), "--cache-dir", cache_dir, command, network, netns}, options);
}

std::string web_conflist(const std::string& name, const std::string& bridge, const std::string& subnet,
                         const std::string& data_dir, const std::string& version) {
  const Json ipam = {
      {"type", "host-local"},
      {"dataDir", data_dir},
      {"ranges", Json::array({Json::array({Json{{"subnet", subnet}}})})},
      {"routes", Json::array({Json{{"dst", subnet.find(':') == std::string::npos ? "0.0.0.0/0" : "::/0"}}})}};
  const Json bridge_plugin = {{"type", "bridge"}, {"bridge", bridge},    {"isGateway", true},
                              {"ipMasq", true},   {"hairpinMode", true}, {"ipam", ipam}};
  const Json portmap = {{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}};
  return Json{{"cniVersion", version}, {"name", name}, {"plugins", Json::array({bridge_plugin, portmap})}}.dump(2);
}

std::string published(const std::map<int, int>& ports) {
  Json mappings = Json::array();
  for (const auto& [host, container] : ports) {
    mappings.push_back({{"hostPort", host}, {"containerPort", container}, {"protocol", "tcp"}});
  }
  return Json{{"portMappings", mappings}}.dump();
}

}  // namespace berth::test
