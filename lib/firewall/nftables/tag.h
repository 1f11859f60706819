#pragma once

#include <optional>
#include <string>

#include "firewall/firewall.h"

namespace berth::firewall::nftables {

/// Whose an element is, as its comment: "NETWORK/ID/IFNAME" (none of the three has a slash in it). At most 120 bytes: a
/// network or an id that is too long for that is replaced by '~' and a hash of it.
std::string tag_of(const Owner& owner);

/// Reads a tag; nullopt if it is none. What was hashed stays so.
std::optional<Owner> parse_tag(const std::string& tag);

/// Whether a name in a parsed tag is a hash, from which nobody can tell the name.
bool is_hashed(const Owner& owner);

}  // namespace berth::firewall::nftables
