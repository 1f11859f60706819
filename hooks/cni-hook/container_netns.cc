#include "container_netns.h"

#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
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

/// The hardware address of the attachment's interface in its namespace, as the plugins reported it.
std::optional<net::MacAddress> reported_mac(const cni::Client::Cached& attachment) {
  if (!attachment.result) return std::nullopt;
  const base::JsonObject result(*attachment.result);
  for (const auto& interface : result.objects("interfaces"))
    if (interface.string("name") == attachment.attachment.ifname && !interface.string("sandbox").value_or("").empty())
      return net::MacAddress::try_parse(interface.string("mac").value_or(""));
  return std::nullopt;
}

bool is_still_there(const net::NetNs& netns, const cni::Client::Cached& attachment) {
  const auto mac = reported_mac(attachment);
  if (!mac) return !attachment.attachment.netns.starts_with("/proc/");
  const auto link = net::Netlink::in(netns).find_link(attachment.attachment.ifname);
  return link && link->mac == *mac;
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

std::string surviving_netns(const cni::Client::Cached& attachment) {
  const auto& path = attachment.attachment.netns;
  if (path.empty()) return "";
  try {
    const auto netns = net::NetNs::open(path);
    if (!netns.same_as(net::NetNs::current()) && is_still_there(netns, attachment)) return path;
  } catch (const std::exception&) {
    // Whatever is at that path now, it is not the namespace the attachment was made in.
  }
  return "";
}

}  // namespace berth::cni_hook
