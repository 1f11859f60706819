#include "owner.h"

namespace berth::host_local {
namespace {

constexpr std::string_view kSeparator = "\r\n";

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr const char* kBlanks = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string format_owner(const Owner& owner) {
  return owner.container_id + std::string(kSeparator) + owner.ifname;
}

std::optional<Owner> parse_owner(std::string_view content) {
  content = trimmed(content);
  if (content.empty()) return std::nullopt;
  const auto separator = content.find(kSeparator);
  if (separator == std::string_view::npos) return Owner{std::string(content), ""};
  return Owner{std::string(content.substr(0, separator)), std::string(content.substr(separator + 2))};
}

}  // namespace berth::host_local
