#include "cni/client/survivor.h"

#include <optional>

#include "base/json.h"
#include "net/netlink.h"
#include "net/netns.h"

namespace berth::cni {
namespace {

/// The hardware address of the attachment's interface in its namespace, as the plugins reported it.
std::optional<net::MacAddress> reported_mac(const Client::Cached& attachment) {
  if (!attachment.result) return std::nullopt;
  const base::JsonObject result(*attachment.result);
  for (const auto& interface : result.objects("interfaces"))
    if (interface.string("name") == attachment.attachment.ifname && !interface.string("sandbox").value_or("").empty())
      return net::MacAddress::try_parse(interface.string("mac").value_or(""));
  return std::nullopt;
}

bool is_still_there(const net::NetNs& netns, const Client::Cached& attachment) {
  const auto mac = reported_mac(attachment);
  if (!mac) return !attachment.attachment.netns.starts_with("/proc/");
  const auto link = net::Netlink::in(netns).find_link(attachment.attachment.ifname);
  return link && link->mac == *mac;
}

}  // namespace

std::string surviving_netns(const Client::Cached& attachment) {
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

}  // namespace berth::cni
