#pragma once

#include "net/netlink.h"
#include "support/sandbox.h"

namespace berth::net {

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
