#pragma once

namespace berth::dbus {

/// While it lives, libdbus tells a bus the user id that root of a user namespace has outside of it. (Of everybody else
/// it tells the truth.) The bus asks the kernel who we are, and takes
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
