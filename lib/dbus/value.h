#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace berth::dbus {

/// A value of the types that properties of systemd's units have: b, i, u, x, t, d, s, as, au, ay, a(ss), a(st).
using Value =
    std::variant<bool, int32_t, uint32_t, int64_t, uint64_t, double, std::string, std::vector<std::string>,
                 std::vector<uint32_t>, std::vector<uint8_t>, std::vector<std::pair<std::string, std::string>>,
                 std::vector<std::pair<std::string, uint64_t>>>;

using Properties = std::vector<std::pair<std::string, Value>>;

/// Reads GVariant's text format (GLib: "GVariant Text Format") as far as Value goes: true, 5, -1, uint64 5, @t 5, 2.5,
/// 'text', "text", ['a', 'b'], [uint32 1, 2]. Numbers without a type are int32 if they fit, else int64, or double.
/// Throws std::runtime_error.
Value parse_value(const std::string& text);

}  // namespace berth::dbus
