#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/rollback.h"
#include "cni/request.h"
#include "net/link.h"
#include "net/netlink.h"

/// The intermediate functional block through which an attachment's outgoing packets pass. Its alias says whose it is,
/// since its name is but a hash: "cni-bandwidth NETWORK CONTAINERID IFNAME" (cni/plugin/owner_alias.h).
namespace berth::bandwidth::ifb {

/// Makes one, up, for this attachment. The first interface of a container on a network gets the reference's name,
/// "bwp" + H(network + id); further ones one that hashes the interface too. Registers its deletion.
net::Link create(net::Netlink& host, const cni::Request& request, unsigned mtu, base::Rollback& rollback);

/// The attachment's own; nullopt if there is none. One that has no alias (the reference made it) counts if it has the
/// reference's name and prevResult, if there is one, lists it.
std::optional<net::Link> find(net::Netlink& host, const cni::Request& request);

/// Deletes those of the request's network whose alias names no valid attachment.
void collect_garbage(net::Netlink& host, const cni::Request& request);

}  // namespace berth::bandwidth::ifb
