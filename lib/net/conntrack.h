#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/ip.h"

namespace berth::net {

/// Which connection-tracking entries to delete. Every set field must match.
struct ConntrackFilter {
  uint8_t protocol = 0;                           ///< IPPROTO_UDP, IPPROTO_SCTP, …
  uint16_t original_destination_port = 0;         ///< Host byte order.
  std::optional<IpAddress> original_destination;  ///< Unset: any.
};

/// Deletes, in one pass over the table of `family` in this thread's network namespace, every entry that matches one of
/// the filters (ctnetlink IPCTNL_MSG_CT_GET dump, IPCTNL_MSG_CT_DELETE). Returns how many. Throws base::SystemError.
size_t flush_conntrack(Family family, const std::vector<ConntrackFilter>& filters);

}  // namespace berth::net
