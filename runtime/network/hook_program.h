#pragma once

#include <string>

namespace berth::runtime {

/// Where an OCI hook of ours is: what the environment variable says, else `name` beside this program (a build tree),
/// else in ../libexec/berth from there, else /usr/local/libexec/berth. Throws std::runtime_error naming the places if
/// it is in none of them.
std::string find_hook(const std::string& name, const char* variable);

}  // namespace berth::runtime
