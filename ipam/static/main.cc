#include <algorithm>

#include "cni/error.h"
#include "cni/plugin/interface.h"
#include "cni/plugin/plugin.h"
#include "config.h"
#include "plugins/multicall/programs.h"

namespace berth::static_ipam {
namespace {

class StaticPlugin : public cni::Plugin {
 public:
  const char* name() const override { return "static"; }

  cni::Result add(const cni::Request& request) override { return answer_to(request); }

  /// There is nothing to release.
  void del(const cni::Request&) override {}
  void gc(const cni::Request&) override {}

  /// An address that later plugins took away is theirs to answer for; one that stayed must have kept its gateway.
  void check(const cni::Request& request) override {
    const auto& previous = cni::interface::required_previous(request);
    for (const auto& wanted : answer_to(request).ips) {
      const bool strayed = std::any_of(previous.ips.begin(), previous.ips.end(), [&](const cni::IpConfig& found) {
        return found.address.address == wanted.address.address && wanted.gateway && found.gateway != wanted.gateway;
      });
      if (strayed) {
        throw cni::Error(cni::Code::kInternal, "static: Failed to match addr " + wanted.address.to_string() +
                                                   " on interface " + request.ifname() + ": its gateway is not " +
                                                   wanted.gateway->to_string());
      }
    }
  }

  void status(const cni::Request& request) override { answer_to(request); }
};

}  // namespace
}  // namespace berth::static_ipam

std::unique_ptr<berth::cni::Plugin> berth::multicall::static_plugin() {
  return std::make_unique<berth::static_ipam::StaticPlugin>();
}
