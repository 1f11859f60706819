#pragma once

#include "base/rollback.h"
#include "net/link.h"
#include "net/netlink.h"

namespace berth::vrf {

/// Makes the link a port of the VRF and takes its routes along: those of the main table go to the VRF's, those of other
/// tables stay there. The kernel sets the link down and up on the way, which costs it its routes through gateways and
/// (without keep_addr_on_down) its global IPv6 addresses; both are put back. Registers the way back.
void enslave(net::Netlink& container, const net::Link& link, const net::Link& vrf, base::Rollback& rollback);

}  // namespace berth::vrf
