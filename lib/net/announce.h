#pragma once

#include <vector>

#include "net/ip.h"
#include "net/netlink.h"

namespace berth::net {

/// Tells the neighbours of a link which hardware address its new addresses have, so that caches that remember an
/// earlier user of them are corrected at once: a gratuitous ARP request for IPv4 (RFC 5227), an unsolicited neighbour
/// advertisement with the override flag to all nodes for IPv6 (RFC 4861, 7.2.6).
/// Nothing is sent where nobody resolves addresses (Link::resolves). A link that has no hardware address of its own
/// (ipvlan) is left to the kernel, which makes the announcements when it goes up if arp_notify is set by then.
/// The link must be up; the calling thread must be in the link's network namespace.
void announce(Netlink& netlink, const Link& link, const std::vector<IpNet>& addresses);

}  // namespace berth::net
