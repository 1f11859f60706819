#pragma once

#include <string>

namespace berth::runtime {

/// What --version prints. Clients that insist on runc's first line get it if the program is called `runc` or
/// BERTH_COMPAT_VERSION is set (to the version to name, if it begins with a digit).
std::string version_text(const char* called_as);

}  // namespace berth::runtime
