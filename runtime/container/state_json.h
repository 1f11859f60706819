#pragma once

#include <string>

#include "base/json_fwd.h"
#include "container/store.h"

namespace berth::runtime {

/// What `state` and `list` say of a container, in runc's order of keys: ociVersion, id, pid (0 unless it lives),
/// status, bundle, rootfs, created, annotations (if there are any), owner.
base::Json describe_container(const Store& store, const Record& record, const std::string& owner);

/// The same as `state` prints it: indented by two spaces, without a line break at the end, owner empty.
std::string state_json(const Store& store, const Record& record);

}  // namespace berth::runtime
