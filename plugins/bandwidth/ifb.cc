#include "bandwidth/ifb.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/encode.h"
#include "base/error.h"
#include "cni/plugin/owner_alias.h"

namespace berth::bandwidth::ifb {

namespace {

using cni::Request;

constexpr const char* kAlias = "cni-bandwidth";

std::string name_of(const std::string& hashed) {
  constexpr size_t kNameDigits = 12;
  return "bwp" + base::sha512_hex(hashed).substr(0, kNameDigits);
}

std::string shared_name(const Request& request) {
  return name_of(request.network() + request.container_id());
}

/// ':' is in none of the three, so that no other attachment hashes the same text.
std::string own_name(const Request& request) {
  return name_of(request.network() + ":" + request.container_id() + ":" + request.ifname());
}

bool is_recorded(const Request& request, const std::string& name) {
  const auto& previous = request.previous();
  return !previous || std::any_of(previous->interfaces.begin(), previous->interfaces.end(),
                                  [&](const cni::Interface& known) { return known.name == name; });
}

bool belongs_to(const net::Link& link, const Request& request) {
  if (link.kind != "ifb") return false;
  if (!link.alias.empty()) return link.alias == cni::owner_alias::of(kAlias, request);
  return link.name == own_name(request) || is_recorded(request, link.name);
}

}  // namespace

net::Link create(net::Netlink& host, const Request& request, unsigned mtu, base::Rollback& rollback) {
  for (const auto& name : {shared_name(request), own_name(request)}) {
    if (!host.create_ifb(name, mtu)) continue;
    rollback.add("delete link " + name, [&host, name] { host.delete_link(name); });
    host.set_alias(name, cni::owner_alias::of(kAlias, request));
    return host.link(name);
  }
  throw base::SystemError("create ifb " + own_name(request), EEXIST);
}

std::optional<net::Link> find(net::Netlink& host, const Request& request) {
  for (const auto& name : {own_name(request), shared_name(request)}) {
    auto link = host.find_link(name);
    if (link && belongs_to(*link, request)) return link;
  }
  return std::nullopt;
}

void collect_garbage(net::Netlink& host, const Request& request) {
  cni::owner_alias::collect_garbage(host, "ifb", kAlias, request);
}

}  // namespace berth::bandwidth::ifb
