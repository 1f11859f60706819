#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace berth::runtime {

/// A change of a mount's attributes (MOUNT_ATTR_*), collected from options; of two that contradict each other the later
/// one counts.
struct AttributeChange {
  uint64_t set = 0;
  uint64_t clear = 0;  ///< MOUNT_ATTR__ATIME, all of it: back to relatime.

  bool any() const { return (set | clear) != 0; }
  bool read_only() const;
  /// Adds an option ("ro", "exec", "strictatime"). False if this is not the name of an attribute.
  bool add(std::string_view option);
};

/// The names that AttributeChange::add knows.
std::vector<std::string> attribute_option_names();

/// Gives a bind mount what was asked for and nothing else, as mount(8) does by a remount. What the kernel has locked
/// (mounts from a more privileged user namespace; all flags if `keep`) stays. Throws std::runtime_error naming a flag
/// that was to be cleared and cannot be.
void replace_attributes(const base::Fd& mount, const AttributeChange& change, bool keep);

}  // namespace berth::runtime
