#include "vrf/config.h"

#include <limits>

#include "base/json.h"
#include "cni/error.h"

namespace berth::vrf {

Config Config::parse(const cni::Request& request) {
  const base::JsonObject json(request.config());
  Config config;
  config.name = json.string("vrfname").value_or("");
  if (config.name.empty()) {
    throw cni::Error(cni::Code::kInvalidNetworkConfig, "configuration is expected to have a valid vrf name",
                     "vrfname is missing or empty");
  }
  try {
    cni::validate_ifname(config.name);
  } catch (const cni::Error& error) {
    throw cni::Error(cni::Code::kInvalidNetworkConfig, "invalid vrfname \"" + config.name + "\": " + error.msg());
  }
  config.table =
      static_cast<uint32_t>(json.unsigned_integer("table", std::numeric_limits<uint32_t>::max()).value_or(0));
  return config;
}

}  // namespace berth::vrf
