#include "commands/size.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace berth::runtime {

namespace {

/// The exponent of 1024 that a unit stands for ("", "b", "k", "kb", "KiB"); -1 if it is none.
int exponent_of(const std::string& unit) {
  static const std::string kLetters = "bkmgtp";
  std::string rest;
  for (const char c : unit) rest += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (rest.empty()) return 0;
  const auto exponent = kLetters.find(rest[0]);
  if (exponent == std::string::npos) return -1;
  rest.erase(0, 1);
  if (exponent != 0 && (rest == "b" || rest == "ib" || rest == "i")) rest.clear();
  return rest.empty() ? static_cast<int>(exponent) : -1;
}

}  // namespace

int64_t parse_size(const std::string& text) {
  if (text == "-1") return -1;
  const auto number_end = text.find_first_not_of("0123456789.");
  const auto unit_start = number_end == std::string::npos ? text.size() : text.find_first_not_of(' ', number_end);
  const auto length = std::min(number_end, text.size());
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + length, number, std::chars_format::fixed);
  const int exponent = unit_start == std::string::npos ? -1 : exponent_of(text.substr(unit_start));
  const double bytes = std::ldexp(number, 10 * std::max(exponent, 0));
  const bool whole = length > 0 && parsed.ec == std::errc() && parsed.ptr == text.data() + length;
  if (!whole || exponent < 0 || bytes >= static_cast<double>(std::numeric_limits<int64_t>::max())) {
    throw std::runtime_error("invalid size: '" + text + "'");
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace berth::runtime
