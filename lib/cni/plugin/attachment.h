#pragma once

#include <functional>
#include <string>

#include "base/rollback.h"
#include "cni/request.h"
#include "cni/result.h"
#include "net/link.h"
#include "net/netlink.h"
#include "net/netns.h"

/// An attachment that is one interface in the container, without any on the host: dummy, host-device, ipvlan, macvlan,
/// tap, vlan (cni.md 3.3 to 3.5). `kind` is the kernel's name for what the interface is ("macvlan").
namespace berth::cni::attachment {

/// Makes CNI_IFNAME in the container by calling `make`, and registers its deletion as the undo.
/// Throws Error(kInvalidEnvironment) if there is an interface of that name.
void create(const Request& request, const net::NetNs& netns, base::Rollback& rollback,
            const std::function<void()>& make);

/// What IPAM gives the interface. If ADD fails later, the interface goes before IPAM may give its addresses to somebody
/// else. Throws Error(kInternal) if there is no address, and what ipam::add throws.
Result lease(const Request& request, const net::NetNs& netns, base::Rollback& rollback);
/// As above, for an interface that is not to be deleted: `detach` takes it out of the container. It may be an undo that
/// is registered already, and runs twice then.
Result lease(const Request& request, base::Rollback& rollback, const std::function<void()>& detach);

/// Makes the kernel announce the interface's addresses whenever it goes up or changes its hardware address.
void notify_neighbours(const Request& request, const net::NetNs& netns);

/// Gives CNI_IFNAME the addresses and routes of `result`, sets it up and announces it. Returns the result with this
/// interface as the only one and the owner of all addresses, and with the configuration's `dns` if it has any.
Result complete(const Request& request, const net::NetNs& netns, Result result);

/// DEL: removes CNI_IFNAME if it is of this kind, and releases the addresses. Needs nothing of the configuration but
/// `ipam`; whatever is gone already is no failure.
void del(const Request& request, const std::string& kind);

/// For `check`: the interface may be anything.
inline constexpr const char* kAnyKind = "";

/// CHECK: the interface is there, up, of this kind, has what prevResult says of it, and IPAM agrees. Returns it.
/// `mtu`: the configuration's, for results that have none; 0: any.
net::Link check(const Request& request, const net::NetNs& netns, const std::string& kind, int64_t mtu);

/// GC and STATUS of what has no state of its own: IPAM's.
void gc(const Request& request);
void status(const Request& request);

}  // namespace berth::cni::attachment
