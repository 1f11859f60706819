#pragma once

#include <sys/types.h>

#include <optional>

namespace berth::dbus {

/// The user id that root of a user namespace has outside of it, in the namespace above; empty for everybody else.
std::optional<uid_t> outer_user();

/// While it lives, libdbus says to a bus that we are the outer user. The bus asks the kernel who we are, and takes
/// nobody at his word who names another; but libdbus names what geteuid(2) tells, which in a user namespace is an id
/// of that namespace. (Other clients name nobody, which the specification allows: "AUTH EXTERNAL" with no id.)
class AsOuterUser {
 public:
  AsOuterUser();
  ~AsOuterUser();
  AsOuterUser(const AsOuterUser&) = delete;
  AsOuterUser& operator=(const AsOuterUser&) = delete;
};

}  // namespace berth::dbus
