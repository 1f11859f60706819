#pragma once

#include <functional>
#include <string>

#include "cni/request.h"
#include "cni/result.h"
#include "net/link.h"
#include "net/netlink.h"
#include "net/netns.h"

/// Veth pairs between the host and a container: bridge, ptp (cni.md 2).
namespace berth::cni::veth {

/// Makes the pair: `pair.near` on the host, under a name made of the attachment's and up, with no transmit queue (the
/// container's end has one) and the attachment as its alias; `pair.far` in `container` as CNI_IFNAME, down. Returns the
/// host's end's name. Throws Error(kInvalidEnvironment) if the container has an interface of that name,
/// base::SystemError.
std::string create(net::Netlink& host, const net::NetNs& container, const Request& request, net::VethPair pair);

/// DEL: begins to delete the pair whose end in the container is CNI_IFNAME; if the namespace cannot be reached any more
/// but may still be alive, the one whose host's end has the attachment's name, or the one that prevResult says. What is
/// returned waits until it is gone. Whatever is gone is no failure, and what is no veth is somebody else's.
std::function<void()> begin_removal(const Request& request);

/// GC: deletes the pairs of the network's attachments that are not valid any more though their namespaces live.
void collect_garbage(const Request& request);

/// CHECK: the host's end of the container's `link`: one that `previous` names, up, with the hardware address it says.
/// Throws Error(kInternal).
net::Link check_host_end(net::Netlink& host, const net::Link& link, const Result& previous);

}  // namespace berth::cni::veth
