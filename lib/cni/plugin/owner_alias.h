#pragma once

#include <string>

#include "cni/request.h"
#include "net/netlink.h"

/// Interfaces on the host say in their alias whose they are, so that GC finds those of an attachment that is not valid
/// any more while its namespace lives on. `ip link` shows it: "cni-veth NETWORK CONTAINERID IFNAME".
namespace berth::cni::owner_alias {

/// At most 255 bytes, whatever the names: a long one is given as "#" and a hash. `what` is the first word.
std::string of(const std::string& what, const Request& request);

/// GC: deletes the links of this kind whose alias names an attachment of the request's network that is not valid any
/// more (cni.dev/valid-attachments; none if the request does not say). All are tried; throws what failed at the end.
void collect_garbage(net::Netlink& host, const std::string& kind, const std::string& what, const Request& request);

}  // namespace berth::cni::owner_alias
