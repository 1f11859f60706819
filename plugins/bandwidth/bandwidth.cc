#include "bandwidth/bandwidth.h"

#include <algorithm>

#include "bandwidth/config.h"
#include "bandwidth/host_end.h"
#include "bandwidth/ifb.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "net/link_removal.h"
#include "net/netlink.h"
#include "net/traffic_control.h"

namespace berth::bandwidth {

namespace {

using cni::Code;
using cni::Error;
using cni::Request;
using cni::Result;
using net::TrafficControl;
namespace interface = cni::interface;

void limit_link(TrafficControl& traffic, const net::Link& link, const net::TokenBucket& bucket,
                base::Rollback& rollback) {
  traffic.add_token_bucket(link.index, bucket);
  rollback.add("remove the limit on " + link.name, [&traffic, index = link.index] { traffic.delete_root(index); });
}

/// Makes a place for the filter where the container's packets come in. Another program's may be shared if it does
/// nothing: ours would take every packet from filters that come after it, which may be somebody's firewall.
void make_ingress(TrafficControl& traffic, const net::Link& host, base::Rollback& rollback) {
  const auto present = traffic.ingress(host.index);
  if (!present) {
    traffic.add_ingress(host.index);
    rollback.add("remove ingress of " + host.name, [&traffic, index = host.index] { traffic.delete_ingress(index); });
    return;
  }
  if (traffic.ingress_filters(host.index).empty()) return;
  throw Error(Code::kInternal, "cannot limit what the container sends: " + host.name +
                                   " already has ingress filters of another program (" + present->kind + ")");
}

void redirect(TrafficControl& traffic, const net::Link& host, const net::Link& target, base::Rollback& rollback) {
  make_ingress(traffic, host, rollback);
  traffic.redirect_ingress(host.index, target.index);
  rollback.add("remove the redirection of " + host.name,
               [&traffic, index = host.index] { traffic.delete_redirection(index); });
}

bool redirects_to(TrafficControl& traffic, const net::Link& host, const net::Link& target) {
  const auto filters = traffic.ingress_filters(host.index);
  return std::any_of(filters.begin(), filters.end(),
                     [&](const net::IngressFilter& filter) { return filter.target == target.index; });
}

/// What ADD put on the host's end, as far as it is still there. The end itself may live on (host-device puts it back),
/// and its packets would go to an IFB that is gone.
void unlimit(TrafficControl& traffic, const net::Link& host, const std::optional<net::Link>& target) {
  const auto root = traffic.root(host.index);
  if (root && root->token_bucket) traffic.delete_root(host.index);
  if (!target || !redirects_to(traffic, host, *target)) return;
  traffic.delete_redirection(host.index);
  const auto ingress = traffic.ingress(host.index);
  if (ingress && ingress->kind == "ingress" && traffic.ingress_filters(host.index).empty()) {
    traffic.delete_ingress(host.index);
  }
}

std::string describe(const net::TokenBucket& bucket) {
  return "rate " + std::to_string(bucket.rate) + " limit " + std::to_string(bucket.limit) + " buffer " +
         std::to_string(bucket.buffer);
}

void check_limit(TrafficControl& traffic, const net::Link& link, const net::TokenBucket& expected) {
  const auto root = traffic.root(link.index);
  if (!root || !root->token_bucket) throw Error(Code::kInternal, "no token bucket on " + link.name);
  if (*root->token_bucket == expected) return;
  throw Error(Code::kInternal, "the token bucket on " + link.name + " has " + describe(*root->token_bucket) +
                                   " instead of " + describe(expected));
}

}  // namespace

const std::vector<std::string>& BandwidthPlugin::versions() const {
  static const std::vector<std::string> versions{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return versions;
}

Result BandwidthPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  Result result = interface::required_previous(request);
  if (config.limits_nothing()) return result;

  auto netlink = net::Netlink::here();
  auto traffic = TrafficControl::here();
  const auto host = host_end(netlink, request);
  base::Rollback rollback;
  if (config.ingress) limit_link(traffic, host, shape(*config.ingress, config.latency, host.mtu), rollback);
  cni::throw_if_interrupted();
  if (config.egress) {
    const auto ifb = ifb::create(netlink, request, host.mtu, rollback);
    limit_link(traffic, ifb, shape(*config.egress, config.latency, host.mtu), rollback);
    cni::throw_if_interrupted();
    redirect(traffic, host, ifb, rollback);
    result.interfaces.push_back(interface::describe(ifb, "", "1.0.0"));  // no mtu, as the reference
  }
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void BandwidthPlugin::del(const Request& request) {
  auto netlink = net::Netlink::here();
  const auto ifb = ifb::find(netlink, request);
  base::BestEffort cleanup;
  cleanup.attempt("remove limits", [&] {
    const auto host = find_host_end(netlink, request);
    auto traffic = TrafficControl::here();
    if (host) unlimit(traffic, *host, ifb);
  });
  if (ifb) {
    cleanup.attempt("delete link " + ifb->name, [&] { net::LinkRemoval(net::NetNs::current(), ifb->index).wait(); });
  }
  cleanup.finish();
}

void BandwidthPlugin::check(const Request& request) {
  const auto config = Config::parse(request);
  interface::required_previous(request);
  if (config.limits_nothing()) return;

  auto netlink = net::Netlink::here();
  auto traffic = TrafficControl::here();
  const auto host = host_end(netlink, request);
  if (config.ingress) check_limit(traffic, host, shape(*config.ingress, config.latency, host.mtu));
  if (!config.egress) return;
  const auto ifb = ifb::find(netlink, request);
  if (!ifb) throw Error(Code::kInternal, "the IFB of " + request.container_id() + " is missing");
  if (!ifb->is_up()) throw Error(Code::kInternal, "the IFB " + ifb->name + " is down");
  check_limit(traffic, *ifb, shape(*config.egress, config.latency, ifb->mtu));
  if (!redirects_to(traffic, host, *ifb)) {
    throw Error(Code::kInternal, "packets from " + host.name + " are not redirected to " + ifb->name);
  }
}

void BandwidthPlugin::gc(const Request& request) {
  auto netlink = net::Netlink::here();
  ifb::collect_garbage(netlink, request);
}

void BandwidthPlugin::status(const Request& request) {
  Config::parse(request);
}

}  // namespace berth::bandwidth
