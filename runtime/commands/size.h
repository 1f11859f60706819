#pragma once

#include <cstdint>
#include <string>

namespace berth::runtime {

/// A number of bytes as Docker's and runc's command lines take it: "64m", "1.5g", "2048", "32MiB"; a unit is a power of
/// 1024. "-1", unlimited, stays. Throws std::runtime_error `invalid size: 'TEXT'`.
int64_t parse_size(const std::string& text);

}  // namespace berth::runtime
