#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth::host_local {

/// Who holds an address.
struct Owner {
  std::string container_id;
  std::string ifname;  ///< Empty in old files, which name the container alone.

  bool operator==(const Owner&) const = default;
};

/// The content of an address file, and back (surrounding white space does not count; empty: nullopt).
std::string format_owner(const Owner& owner);
std::optional<Owner> parse_owner(std::string_view content);

/// Without the white space at both ends.
std::string_view trimmed(std::string_view text);

}  // namespace berth::host_local
