#pragma once

#include <string>

namespace berth::runtime {

/// "15", "TERM", "SIGTERM", "sigterm", "RTMIN+3" → the signal's number. Throws `unknown signal "X"`.
int parse_signal(const std::string& text);

}  // namespace berth::runtime
