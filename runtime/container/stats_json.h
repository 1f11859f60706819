#pragma once

#include "base/json_fwd.h"
#include "cgroups/stats.h"

namespace berth::runtime {

/// The `data` of a stats event, in runc's shape: what is 0 or empty there is mostly left out.
base::Json stats_json(const CgroupStats& stats);

}  // namespace berth::runtime
