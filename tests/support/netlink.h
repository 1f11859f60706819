#pragma once

#include <string>

#include "base/error.h"
#include "net/netlink.h"
#include "support/sandbox.h"

namespace berth::net {

/// The message of the SystemError that `work` must throw, after checking its code.
template <class Work>
std::string error_of(int code, Work&& work) {
  try {
    work();
  } catch (const base::SystemError& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

class NetlinkTest : public test::Sandbox {
 protected:
  /// A veth pair, its near end here and up, its far end in `there`.
  static VethPair pair_to(const NetNs& there, int master = 0) {
    VethPair pair;
    pair.near.name = "near0";
    pair.near_up = true;
    pair.near.master = master;
    pair.far.name = "eth0";
    pair.far.netns = &there;
    return pair;
  }

  static void set_up(const NetNs& there, const char* name) {
    auto inside = Netlink::in(there);
    inside.set_up(inside.link(name).index);
  }
};

}  // namespace berth::net
