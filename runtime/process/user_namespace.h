#pragma once

#include "oci/config.h"
#include "process/namespaces.h"

namespace berth::runtime {

/// A user namespace that is joined has its mappings already: throws std::runtime_error naming the key if `config` gives
/// other ones. Without mappings in `config` it costs nothing.
void require_same_mappings(const NamespacePlan& plan, const oci::Linux& config);

}  // namespace berth::runtime
