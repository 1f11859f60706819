#pragma once

#include <vector>

#include "cni/result.h"
#include "net/link.h"

/// How packets find their way over a pair whose ends have no subnet in common: each end knows the other by a route to
/// its one address, and the container reaches its own subnet through the gateway.
namespace berth::ptp {

/// The host's end: the gateways, each as a single address, once.
std::vector<net::IpNet> host_addresses(const cni::Result& result);
/// The host's end: the container's addresses are behind link `device`.
std::vector<net::LinkRoute> host_routes(const cni::Result& result, int device);

/// The container's end: the gateways are behind link `device`.
std::vector<net::LinkRoute> gateway_routes(const cni::Result& result, int device);
/// The container's end: its subnets are behind their gateways.
std::vector<net::LinkRoute> subnet_routes(const cni::Result& result, int device);
/// The container's end: the routes that the kernel adds with the addresses, by which the subnets would be on the link.
std::vector<net::LinkRoute> prefix_routes(const cni::Result& result, int device);

}  // namespace berth::ptp
