#include "cni/plugin/veth.h"

#include <cerrno>
#include <memory>

#include "base/encode.h"
#include "base/error.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/owner_alias.h"
#include "net/link_removal.h"

namespace berth::cni::veth {

namespace {

constexpr int kAttempts = 10;
constexpr size_t kDigits = 8;
constexpr const char* kKind = "veth";
constexpr const char* kAlias = "cni-veth";

/// The name of the host's end, in the reference plugins' shape; `attempt` is for one that is taken.
std::string name_of(const Request& request, int attempt) {
  const std::string owner = owner_alias::of(kAlias, request) + " " + std::to_string(attempt);
  return "veth" + base::sha512_hex(owner).substr(0, kDigits);
}

/// False if the name on the host was taken.
bool try_create(net::Netlink& host, const net::NetNs& container, const net::VethPair& pair) {
  try {
    host.create_veth(pair);
    return true;
  } catch (const base::SystemError& error) {
    if (error.code() != EEXIST) throw;
  }
  auto in_container = net::Netlink::in(container);
  interface::require_free_name(in_container, pair.far.name, container);
  return false;
}

/// The host's end of an attachment whose namespace cannot be reached any more, but may still be alive: by its own name,
/// also if an ADD was killed before it had its alias, and by the one that prevResult has.
void delete_host_end(const Request& request) {
  auto host = net::Netlink::here();
  const std::string alias = owner_alias::of(kAlias, request);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto link = host.find_link(name_of(request, attempt));
    if (link && link->kind == kKind && (link->alias.empty() || link->alias == alias)) host.delete_link(link->index);
  }
  if (!request.previous()) return;
  for (const auto& recorded : request.previous()->interfaces) {
    if (!recorded.sandbox.empty() || !recorded.name.starts_with("veth")) continue;
    const auto link = host.find_link(recorded.name);
    if (link && link->kind == kKind) host.delete_link(link->index);
  }
}

}  // namespace

std::string create(net::Netlink& host, const net::NetNs& container, const Request& request, net::VethPair pair) {
  pair.near.tx_queue_length = 0;
  pair.near_up = true;
  pair.far.name = request.ifname();
  pair.far.netns = &container;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    pair.near.name = name_of(request, attempt);
    if (!try_create(host, container, pair)) continue;
    base::Rollback rollback;
    rollback.add("delete link " + pair.near.name, [&] { host.delete_link(pair.near.name); });
    host.set_alias(pair.near.name, owner_alias::of(kAlias, request));
    interface::ignore_router_advertisements(pair.near.name);
    rollback.dismiss();
    return pair.near.name;
  }
  throw Error(Code::kInternal, "no name for the host's end of the veth is free");
}

std::function<void()> begin_removal(const Request& request) {
  const auto netns = interface::find_netns(request);
  if (!netns) {
    delete_host_end(request);
    return [] {};
  }
  const auto link = net::Netlink::in(*netns).find_link(request.ifname());
  // Anything but a veth is what made ADD fail, and somebody else's.
  if (!link || link->kind != kKind) return [] {};
  const auto removal = std::make_shared<net::LinkRemoval>(*netns, link->index);
  return [removal] { removal->wait(); };
}

void collect_garbage(const Request& request) {
  auto host = net::Netlink::here();
  owner_alias::collect_garbage(host, kKind, kAlias, request);
}

net::Link check_host_end(net::Netlink& host, const net::Link& link, const Result& previous) {
  for (const auto& candidate : previous.interfaces) {
    if (!candidate.sandbox.empty()) continue;
    auto found = host.find_link(candidate.name);
    if (!found || found->kind != kKind || found->index != link.parent) continue;
    if (!found->is_up())
      throw Error(Code::kInternal, "the host's end of " + link.name + ", " + found->name + ", is down");
    interface::require_mac(*found, candidate.mac);
    return *std::move(found);
  }
  throw Error(Code::kInternal, "no veth of prevResult on the host is the peer of " + link.name);
}

}  // namespace berth::cni::veth
