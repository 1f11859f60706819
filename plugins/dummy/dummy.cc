#include "dummy/dummy.h"

#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/attachment.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"
#include "net/netlink.h"

namespace berth::dummy {

namespace {

using cni::Request;
using cni::Result;
namespace attachment = cni::attachment;
namespace interface = cni::interface;

constexpr const char* kKind = "dummy";

void require_ipam(const Request& request) {
  if (cni::ipam::configured(request)) return;
  throw cni::Error(cni::Code::kInvalidNetworkConfig, "dummy interface requires an IPAM configuration");
}

}  // namespace

Result DummyPlugin::add(const Request& request) {
  require_ipam(request);
  interface::configured_dns(request);
  const auto netns = interface::open_netns(request);

  base::Rollback rollback;
  attachment::create(request, netns, rollback, [&] { net::Netlink::in(netns).create_dummy(request.ifname()); });
  cni::throw_if_interrupted();
  auto result = attachment::lease(request, netns, rollback);
  cni::throw_if_interrupted();
  result = attachment::complete(request, netns, std::move(result));
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void DummyPlugin::del(const Request& request) {
  attachment::del(request, kKind);
}

void DummyPlugin::check(const Request& request) {
  require_ipam(request);
  attachment::check(request, interface::open_netns(request), kKind, 0);
}

void DummyPlugin::gc(const Request& request) {
  attachment::gc(request);
}

void DummyPlugin::status(const Request& request) {
  require_ipam(request);
  attachment::status(request);
}

}  // namespace berth::dummy
