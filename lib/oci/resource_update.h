#pragma once

#include <string>

#include "base/json_fwd.h"
#include "oci/config.h"

namespace berth::oci {

/// What `update` does to a container.
struct ResourceUpdate {
  Resources changes;        ///< What has to be written.
  Resources before;         ///< What the container was given until now.
  std::string config_json;  ///< Its configuration with the changes, for the next update to start from.
};

/// Merges a LinuxResources object into a container's config.json: of `memory`, `cpu`, `pids`, `blockIO` and `unified`,
/// what is there replaces what was there, what is absent, null or (where 0 is no value) 0 stays; the rest, devices
/// above all, is left alone (oci-runtime.md 1.2, `update`). Throws base::JsonError naming the key.
ResourceUpdate merge_resources(const std::string& config_json, const base::Json& resources);

}  // namespace berth::oci
