#include "ptp/config.h"

#include <limits>

#include "base/json.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/interface.h"

namespace berth::ptp {

Config Config::parse(const cni::Request& request) {
  if (!cni::ipam::configured(request)) {
    throw cni::Error(cni::Code::kInvalidNetworkConfig, "ptp requires an IPAM configuration: ipam.type is missing");
  }
  const base::JsonObject json(request.config());
  Config config;
  config.mtu = static_cast<unsigned>(json.integer("mtu", 0, std::numeric_limits<int>::max()).value_or(0));
  config.masquerade = cni::MasqueradeConfig::parse(request);
  config.dns = cni::interface::configured_dns(request);
  return config;
}

}  // namespace berth::ptp
