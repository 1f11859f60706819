#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lease.h"
#include "net/link.h"
#include "net/netns.h"
#include "record.h"

/// The links that leases are for. No namespace is held open: that would keep it, and the link, alive after its
/// container.
namespace berth::dhcp {

/// Finds the link `ifname` in a namespace and sets it up, so that it can carry packets. `host_prefix` is where the
/// host's root is seen. Throws cni::Error naming what is not there.
Place prepare_place(const std::string& host_prefix, const std::string& netns, const std::string& ifname);

/// The namespace of a place, if the very same link is still in it. Throws base::SystemError if that cannot be told now.
std::optional<net::NetNs> find_place(const std::string& host_prefix, const Place& place, const std::string& ifname);

/// What a lease put on a link besides itself: to be brought back with the next one.
using Routes = std::vector<net::LinkRoute>;

/// Takes the lease's address off the link (on a thread inside its namespace), and with it the routes that need it.
/// Returns all routes through the link as they were. Throws base::SystemError.
Routes remove_from_link(const Place& place, const Lease& lease);

/// Puts a lease on the link: its address, its routes, and those of `former` that did not come from `previous`.
void put_on_link(const Record& record, const Lease& lease, const std::optional<Lease>& previous, const Routes& former);

/// Replaces one lease on the link by another, where they differ in what the link shows.
void replace_on_link(const Record& record, const Lease& lease, const Lease& previous);

}  // namespace berth::dhcp
