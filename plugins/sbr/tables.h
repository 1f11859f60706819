#pragma once

#include <optional>
#include <vector>

#include "cni/result.h"
#include "net/link.h"
#include "sbr/config.h"

/// Which routes go where. Nothing here touches the kernel.
namespace berth::sbr {

/// The gateway of the default route in an address' table.
std::optional<net::IpAddress> gateway_of(const cni::IpConfig& ip, const Config& config);

/// What the routing table of one address holds: those of the link's routes in the main table that say nothing of a
/// source and a gateway or have one in the address' subnet, and a default route through its gateway. In an order in
/// which the kernel takes them: what reaches the gateways comes first.
std::vector<net::LinkRoute> routes_of_table(const cni::IpConfig& ip, const net::Link& link,
                                            const std::vector<net::LinkRoute>& main_routes, uint32_t table,
                                            const Config& config);

/// The routes that the main table keeps or gets for addSourceHints: each subnet, with the address as preferred source.
std::vector<net::LinkRoute> source_hints(const std::vector<cni::IpConfig>& ips, const net::Link& link);

/// The link's routes that leave the main table: all that are copied into a table of one of the addresses, without those
/// to link-local addresses, which are of the link and not of a subnet.
std::vector<net::LinkRoute> routes_to_move(const std::vector<cni::IpConfig>& ips,
                                           const std::vector<net::LinkRoute>& main_routes);

}  // namespace berth::sbr
