#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace berth::runtime {

/// A duration as Go's programs take it: "5s", "1m30s", "250ms", "1.5h", "0". Empty if it is none.
std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text);

}  // namespace berth::runtime
