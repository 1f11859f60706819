#pragma once

#include <optional>

#include "cni/request.h"
#include "net/link.h"
#include "net/netlink.h"

namespace berth::bandwidth {

/// The host's end of the attachment's veth pair: an interface of prevResult on the host whose index is that of the peer
/// of CNI_IFNAME. Throws cni::Error if the container's interface is missing or no veth, or prevResult has no such end.
net::Link host_end(net::Netlink& host, const cni::Request& request);

/// The same for DEL: nullopt if it cannot be told any more.
std::optional<net::Link> find_host_end(net::Netlink& host, const cni::Request& request);

}  // namespace berth::bandwidth
