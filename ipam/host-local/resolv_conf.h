#pragma once

#include <string>
#include <string_view>

#include "cni/result.h"

namespace berth::host_local {

/// `nameserver`, `domain`, `search` and `options` of a resolv.conf(5): the last domain wins, the others add up. Lines
/// that start with '#' or ';', and keywords that are not known, are passed over.
cni::Dns parse_resolv_conf(std::string_view text);

/// The same from a file. Throws cni::Error(kInvalidNetworkConfig) naming it.
cni::Dns read_resolv_conf(const std::string& path);

}  // namespace berth::host_local
