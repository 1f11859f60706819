#include "network/network_flags.h"

#include <filesystem>
#include <stdexcept>

#include "base/json.h"
#include "network/hook_program.h"
#include "oci/edit.h"
#include "oci/network_annotations.h"

namespace berth::runtime {

namespace {

using base::Json;
using oci::member;

/// The hook's limit for all plugins of all networks, in seconds.
constexpr int kHookTimeout = 30;

std::string joined(const std::vector<std::string>& parts, char separator) {
  std::string text;
  for (const auto& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string absolute_list(const std::string& paths) {
  std::vector<std::string> parts;
  for (size_t start = 0; start <= paths.size();) {
    const auto end = std::min(paths.find(':', start), paths.size());
    if (end > start) parts.push_back(absolute(paths.substr(start, end - start)));
    start = end + 1;
  }
  return joined(parts, ':');
}

void require_values(const char* flag, const std::vector<std::string>& values) {
  for (const auto& value : values) {
    if (value.empty()) throw std::runtime_error(std::string(flag) + " must not be empty");
  }
}

/// The annotations that say what the flags say, over those the configuration has.
oci::Annotations annotations_of(const NetworkFlags& flags, const Json& present) {
  require_values("--network", flags.networks);
  require_values("--publish", flags.publish);
  oci::Annotations annotations;
  for (auto it = present.begin(); it != present.end(); ++it) {
    if (it->is_string()) annotations[it.key()] = it->get<std::string>();
  }
  if (!flags.networks.empty()) {
    annotations[oci::annotation::kNetworks] = oci::format_networks(oci::parse_networks(joined(flags.networks, ',')));
  }
  if (!flags.publish.empty()) {
    annotations[oci::annotation::kPorts] = oci::format_ports(oci::parse_ports(joined(flags.publish, ',')));
  }
  if (!flags.net_dir.empty()) annotations[oci::annotation::kNetDir] = absolute(flags.net_dir);
  if (!flags.cni_path.empty()) annotations[oci::annotation::kCniPath] = absolute_list(flags.cni_path);
  if (oci::network_setup(annotations).empty()) {
    throw std::runtime_error("--net-dir and --cni-path need --network or --publish");
  }
  return annotations;
}

/// True if a stage's hooks have a program of this path's name.
bool runs_hook(const Json& stage, const std::string& wanted) {
  const auto name = std::filesystem::path(wanted).filename();
  for (const auto& hook : stage) {
    const auto path = hook.is_object() ? hook.find("path") : hook.end();
    if (hook.is_object() && path != hook.end() && path->is_string() &&
        std::filesystem::path(path->get<std::string>()).filename() == name) {
      return true;
    }
  }
  return false;
}

void add_hook(Json& hooks, const char* stage, const NetworkHook& hook) {
  auto& entries = member(hooks, stage, Json::array());
  if (runs_hook(entries, hook.path)) return;
  auto args = Json::array({std::filesystem::path(hook.path).filename().string(), stage});
  for (const auto& argument : hook.arguments) args.push_back(argument);
  entries.push_back(Json{{"path", hook.path}, {"args", args}, {"timeout", kHookTimeout}});
}

}  // namespace

NetworkHook cni_hook() {
  return {find_hook("cni-hook", "BERTH_CNI_HOOK"), {}};
}

std::string add_networking(const std::string& config_json, const NetworkFlags& flags, const NetworkHook& hook) {
  Json config = oci::parse_editable(config_json);
  auto& annotations = member(config, "annotations", Json::object());
  for (const auto& [key, value] : annotations_of(flags, annotations)) annotations[key] = value;

  auto& hooks = member(config, "hooks", Json::object());
  if (!runs_hook(member(hooks, "prestart", Json::array()), hook.path)) add_hook(hooks, "createRuntime", hook);
  add_hook(hooks, "poststop", hook);
  return oci::to_text(config);
}

void require_own_network(const oci::Config& config) {
  const auto* network = config.linux_.find(oci::NamespaceType::kNetwork);
  if (network == nullptr) {
    throw std::runtime_error(
        "--network and --publish need a network namespace of the container's own, but config.json has none in "
        "linux.namespaces (the container would use the host's network)");
  }
  if (!network->path.empty()) {
    throw std::runtime_error(
        "--network and --publish need a network namespace of the container's own, but config.json joins " +
        network->path + "; give these flags to the container that owns it");
  }
}

}  // namespace berth::runtime
