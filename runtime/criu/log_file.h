#pragma once

#include <string>

namespace berth::runtime::criu {

/// What one of CRIU's logs says went wrong, without time stamps: the first error, which mostly is the cause, and the
/// last, where it gave up. "" if there is none.
std::string errors_in(const std::string& path);

}  // namespace berth::runtime::criu
