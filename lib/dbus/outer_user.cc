#include "dbus/outer_user.h"

#include <unistd.h>

#include <optional>
#include <sstream>

#include "base/file.h"

namespace {

std::optional<uid_t>& told() {
  static std::optional<uid_t> user;
  return user;
}

}  // namespace

// The linker (--wrap=geteuid) lets everybody call the second for the first.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" uid_t __real_geteuid();
extern "C" uid_t __wrap_geteuid();

extern "C" uid_t __wrap_geteuid() {
  return told().value_or(__real_geteuid());
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace berth::dbus {

namespace {

/// What the namespace above calls root of ours; empty if we are not root, or it calls him so, too.
std::optional<uid_t> outer_user() {
  if (::geteuid() != 0) return std::nullopt;
  std::istringstream map(base::read_file("/proc/self/uid_map"));  // user_namespaces(7): inside, outside, how many
  for (uid_t inside = 0, outside = 0, count = 0; map >> inside >> outside >> count;) {
    if (inside == 0 && outside != 0) return outside;
  }
  return std::nullopt;
}

}  // namespace

AsOuterUser::AsOuterUser() {
  told() = outer_user();
}

AsOuterUser::~AsOuterUser() {
  told().reset();
}

}  // namespace berth::dbus
