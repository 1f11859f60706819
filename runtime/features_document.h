#pragma once

#include <string>

namespace berth::runtime {

/// The features document of the runtime specification (features.md): what this build does on this kernel, nothing that
/// is still to come. Indented by four spaces, with a line break at the end.
std::string features_json();

}  // namespace berth::runtime
