#include <array>
#include <charconv>
#include <stdexcept>

#include "cni/result.h"

namespace berth::cni {

const std::vector<std::string>& all_versions() {
  static const std::vector<std::string> versions{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return versions;
}

namespace {

unsigned take_number(std::string_view& text, std::string_view whole) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) throw std::invalid_argument("invalid version \"" + std::string(whole) + "\"");
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

std::array<unsigned, 3> parse_version(std::string_view whole) {
  std::array<unsigned, 3> numbers{};
  std::string_view text = whole;
  for (size_t i = 0; i < numbers.size() && !(i > 0 && text.empty()); ++i) {
    if (i > 0) {
      if (text[0] != '.') throw std::invalid_argument("invalid version \"" + std::string(whole) + "\"");
      text.remove_prefix(1);
    }
    numbers[i] = take_number(text, whole);
  }
  if (!text.empty()) throw std::invalid_argument("invalid version \"" + std::string(whole) + "\"");
  return numbers;
}

}  // namespace

int compare_versions(std::string_view a, std::string_view b) {
  const auto left = parse_version(a);
  const auto right = parse_version(b);
  return left < right ? -1 : left == right ? 0 : 1;
}

}  // namespace berth::cni
