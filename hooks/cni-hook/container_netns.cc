#include "container_netns.h"

#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "net/netns.h"

namespace berth::cni_hook {
namespace {

/// linux.namespaces[type=network].path of BUNDLE/config.json; empty if there is no such file or key. Reads nothing
/// else: what another runtime accepts in that file is not this hook's business.
std::string configured_netns(const std::string& bundle) {
  if (bundle.empty()) return "";
  const auto path = bundle + "/config.json";
  std::string text;
  try {
    text = base::read_file(path);
  } catch (const base::SystemError& error) {
    if (error.code() == ENOENT) return "";
    throw;
  }
  try {
    const auto json = base::parse_json(text);
    if (const auto linux_object = base::JsonObject(json).object("linux"))
      for (const auto& entry : linux_object->objects("namespaces"))
        if (entry.string("type") == "network") return entry.string("path").value_or("");
    return "";
  } catch (const base::JsonError& error) {
    throw std::runtime_error(path + ": " + error.what());
  }
}

}  // namespace

std::string container_netns(const oci::State& state) {
  auto path = configured_netns(state.bundle);
  if (path.empty()) {
    if (state.pid == 0) throw std::runtime_error("the State of container " + state.id + " has no pid");
    path = "/proc/" + std::to_string(state.pid) + "/ns/net";
  }
  if (net::NetNs::open(path).same_as(net::NetNs::current()))
    throw std::runtime_error("container " + state.id +
                             " asks for networks, but has no network namespace of its own: " + path + " is the host's");
  return path;
}

}  // namespace berth::cni_hook
