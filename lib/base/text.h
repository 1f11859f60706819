#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace berth::base {

/// The parts of `text` between separators; empty parts are left out.
std::vector<std::string> split(std::string_view text, char separator);

/// The parts with `separator` between them.
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace berth::base
