#pragma once

#include <string>

namespace berth::cni {

/// Throws cni::Error(kNotAvailable) unless files can be made in `directory`, or in the parent that will hold it: for
/// STATUS of plugins that keep files.
void require_usable_directory(const std::string& directory);

}  // namespace berth::cni
