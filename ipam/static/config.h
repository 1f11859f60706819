#pragma once

#include "cni/request.h"
#include "cni/result.h"

/// static (IPAM): the addresses are in the configuration, or come with the request; nothing is stored (cni.md 3.7).
///
///   "ipam": {
///     "type": "static",
///     "addresses": [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}, {"address": "fd00::1/64"}],
///     "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.0.253"}],
///     "dns": {"nameservers": ["10.10.0.254"], "domain": "example.com"}
///   }
namespace berth::static_ipam {

/// What ADD answers: the addresses of the strongest source that names any, in the order given. From weak to strong:
/// `addresses` together with CNI_ARGS IP and GATEWAY, `args.cni.ips`, `runtimeConfig.ips`.
/// Throws cni::Error(kInvalidNetworkConfig or kInvalidEnvironment) or base::JsonError naming key and value.
cni::Result answer_to(const cni::Request& request);

}  // namespace berth::static_ipam
