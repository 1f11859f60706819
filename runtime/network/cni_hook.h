#pragma once

#include <string>

namespace berth::runtime {

/// Where our OCI hook is: $BERTH_CNI_HOOK, else `cni-hook` beside this program (a build tree), else in ../libexec/berth
/// from there, else /usr/local/libexec/berth. Throws std::runtime_error naming the places if it is in none of them.
std::string find_cni_hook();

}  // namespace berth::runtime
