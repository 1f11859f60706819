#pragma once

#include <memory>

#include "base/fd.h"
#include "net/connection.h"
#include "net/netlink.h"
#include "net/netns.h"

namespace berth::net {

/// The deletion of a link. The kernel keeps who asks for it waiting until the link's memory is free (netdev_run_todo:
/// 10 to 20 ms), long after the link is gone from its namespace. So a child process asks, and we wait for the event.
class LinkRemoval {
 public:
  /// Begins. Throws base::SystemError.
  LinkRemoval(const NetNs& netns, int index);

  /// Waits until the link is gone. False if there was none. Throws base::SystemError "delete link #INDEX: …".
  bool wait();

 private:
  int index_;
  Netlink netlink_;
  std::unique_ptr<Connection> events_;
  base::Fd answer_;  ///< Of the child: a byte if it has deleted the link. Empty if there is no child.
};

}  // namespace berth::net
