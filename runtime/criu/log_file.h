#pragma once

#include <string>

namespace berth::runtime::criu {

/// The last line of one of CRIU's logs that reports an error, without its time stamp; "" if there is none.
std::string last_error_of(const std::string& path);

}  // namespace berth::runtime::criu
