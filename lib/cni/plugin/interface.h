#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "cni/error.h"
#include "cni/request.h"
#include "cni/result.h"
#include "net/link.h"
#include "net/mac.h"
#include "net/netlink.h"
#include "net/netns.h"

/// What every plugin that makes an interface does with it (cni.md 2): find its namespace, give it the addresses and
/// routes of the result, compare it with prevResult.
namespace berth::cni::interface {

/// The namespace CNI_NETNS names. Throws cni::Error(kInvalidNetNs).
net::NetNs open_netns(const Request& request);
/// As above, but nullopt if the path is empty or nothing is there: DEL and CHECK of what is gone.
std::optional<net::NetNs> find_netns(const Request& request);

/// Throws cni::Error(kInvalidEnvironment) if the container has an interface of the name CNI_IFNAME.
void require_free_name(net::Netlink& in_container, const std::string& ifname, const net::NetNs& container);

/// A hardware address that an interface can have. Throws cni::Error(code) naming `source`, where the text is from.
net::MacAddress parse_mac(const std::string& text, const std::string& source, Code code);

/// The hardware address asked for: `configured` (of a plugin with a `mac` key), overridden by CNI_ARGS `MAC`,
/// overridden by `args.cni.mac`, overridden by `runtimeConfig.mac`. Throws cni::Error(kInvalidEnvironment or
/// kInvalidNetworkConfig) naming the bad value.
std::optional<net::MacAddress> requested_mac(const Request& request,
                                             const std::optional<std::string>& configured = std::nullopt);

/// An interface name in the configuration; nullopt if absent or empty.
/// Throws base::JsonError, or cni::Error(kInvalidNetworkConfig) if it could not be one.
std::optional<std::string> configured_name(const base::JsonObject& json, const char* key);

/// The `dns` object of the configuration if it has any content: it replaces IPAM's.
std::optional<Dns> configured_dns(const Request& request);

/// What the interface's namespace does to an IPv6 address before it can be used.
enum class DuplicateDetection {
  kSkip,  ///< Addresses are usable at once.
  kWait,  ///< The kernel probes for duplicates; wait for its verdict.
};

/// The result's routes as the kernel is asked for them, each once: IPAM and the configuration may both ask for the same
/// default route. A route without a gateway gets that of its family's address; the gateway 0.0.0.0 (or ::) means none.
std::vector<net::LinkRoute> routes_through(const net::Link& link, const Result& result);

/// Adds the result's addresses to the link, sets it up and adds the result's routes (with their mtu, advmss, priority,
/// table and scope), in one system call; `ways` are routes that these need to reach their gateways, added before them.
/// Call on a thread inside the container's namespace.
/// Throws base::SystemError; cni::Error if an address belongs to another interface of the result or is a duplicate.
void configure(net::Netlink& container, const net::Link& link, const Result& result, DuplicateDetection detection,
               const std::vector<net::LinkRoute>& ways = {});

/// A router must not believe what its containers advertise (CVE-2020-10749). Kernels without IPv6 have no such setting.
void ignore_router_advertisements(const std::string& ifname);

/// Switches on forwarding for the families of these addresses, in the calling thread's namespace.
void enable_forwarding(const std::vector<IpConfig>& ips);

/// A link as the result lists it; `sandbox`: the namespace's path, empty on the host. `mtu` is left out before 1.1.0.
Interface describe(const net::Link& link, const std::string& sandbox, const std::string& version);

/// Whether an address of the result is one of interface `ifname`: those that name no interface are.
bool belongs_to(const IpConfig& ip, const std::string& ifname, const Result& result);

/// The addresses of a result.
std::vector<net::IpNet> addresses_of(const Result& result);

/// The addresses of a result that are the container's interface's; one that says nothing of its interface counts.
std::vector<IpConfig> ips_of(const Result& result, const std::string& ifname);

/// Keeps other plugins from choosing routing tables in a namespace at the same time: flock on the namespace's file, as
/// the reference does it. Throws cni::Error(kTryAgainLater) if it takes too long.
base::FileLock lock(const net::NetNs& netns);

/// prevResult, which CHECK and chained plugins need. Throws cni::Error(kInvalidNetworkConfig).
const Result& required_previous(const Request& request);
/// What prevResult says about an interface; `sandbox` empty: on the host. Throws cni::Error(kInternal).
const Interface& recorded(const Result& previous, const std::string& name, const std::string& sandbox);
/// Throws cni::Error(kInternal) if the link has another hardware address; `expected` empty: any will do.
void require_mac(const net::Link& link, const std::string& expected);
/// Throws cni::Error naming the first of these routes that is not there: same destination through the same link, and by
/// the gateway where it has one.
void check_routes(net::Netlink& netlink, const net::Link& link, const std::vector<net::LinkRoute>& routes);
/// Throws cni::Error naming the first address of `previous` that is not on the link, or whose subnet or route is not
/// reached through it.
void check(net::Netlink& container, const net::Link& link, const Result& previous);

}  // namespace berth::cni::interface
