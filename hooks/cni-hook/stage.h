#pragma once

#include <string>

namespace berth::cni_hook {

/// What the hook has to do.
enum class Stage { kAttach, kDetach };

/// From the first of these that is not empty: the environment's OCI_HOOK_STAGE, the hook's first argument
/// (createRuntime or prestart, poststop), the container's status in the State (creating or created, stopped). Throws
/// std::invalid_argument for a stage at which there is nothing to do.
Stage stage_of(const std::string& environment, const std::string& argument, const std::string& status);

}  // namespace berth::cni_hook
