#pragma once

#include <string>
#include <vector>

#include "oci/network_annotations.h"
#include "plan.h"
#include "settings.h"

namespace berth::cni_hook {

/// Makes the attachments in order. An earlier one of the same container and interface, of which nobody has said that it
/// ended, is removed first. If one fails, it and those before it are removed in reverse.
/// Throws std::runtime_error: network, plugin, message, code and details, in one line.
void attach(const std::vector<Planned>& attachments, const Settings& settings, const Deadline& deadline);

/// Removes every attachment of the container that this hook has in the cache, and what may be left of those in `setup`
/// that never got there. Tries all of them; one that fails stays in the cache. Throws std::runtime_error with the
/// failures.
void detach(const std::string& container_id, const oci::NetworkSetup& setup, const Settings& settings,
            const Deadline& deadline);

}  // namespace berth::cni_hook
