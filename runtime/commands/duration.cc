#include "commands/duration.h"

#include <charconv>

namespace berth::runtime {

std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text) {
  struct Unit {
    const char* name;
    double nanoseconds;
  };
  constexpr Unit kUnits[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  constexpr double kLongest = 9.2e18;

  const bool negative = text.starts_with('-');
  std::string rest = text.substr(negative || text.starts_with('+') ? 1 : 0);
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return std::nullopt;
  double sum = 0;
  while (!rest.empty()) {
    const auto unit_start = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const auto unit_end = std::min(rest.find_first_of("0123456789.", unit_start), rest.size());
    double number = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + unit_start, number, std::chars_format::fixed);
    if (unit_start == 0 || parsed.ec != std::errc() || parsed.ptr != rest.data() + unit_start) return std::nullopt;
    const auto name = rest.substr(unit_start, unit_end - unit_start);
    double factor = 0;
    for (const auto& unit : kUnits) {
      if (name == unit.name) factor = unit.nanoseconds;
    }
    if (factor == 0) return std::nullopt;
    sum += number * factor;
    rest.erase(0, unit_end);
  }
  if (sum > kLongest) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<int64_t>(negative ? -sum : sum));
}

}  // namespace berth::runtime
