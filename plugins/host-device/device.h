#pragma once

#include <string>
#include <vector>

#include "net/link.h"
#include "net/netlink.h"
#include "net/netns.h"

namespace berth::host_device {

/// A device of the host with what a move to another namespace takes from it, so that a failed ADD can put it back.
class LentDevice {
 public:
  /// `link` is in the namespace of `host`, which must outlive this object.
  LentDevice(net::Netlink& host, net::Link link);

  /// Moves it to the container, as `ifname`, with its old name as alias: DEL finds its way back by that.
  /// Throws cni::Error(kInvalidEnvironment) if the container has an interface of that name.
  void lend(const net::NetNs& container, const std::string& ifname);

  /// Moves it back and makes it what it was: name, alias, master, addresses, routes, up or down. Does nothing if it is
  /// not in the container (any more).
  void restore(const net::NetNs& container, const std::string& ifname);

 private:
  std::optional<net::Link> find_in(net::Netlink& container, const std::string& ifname) const;
  void restore_settings(int index);

  net::Netlink& host_;
  net::NetNs home_;
  net::Link link_;
  std::vector<net::LinkAddress> addresses_;
  std::vector<net::LinkRoute> routes_;
};

/// Gives a device back to the host (the calling thread's namespace) under the name `name`, down and without alias.
/// Throws cni::Error(kInternal) if the host has another interface of that name.
void give_back(net::Netlink& container, const net::Link& link, const std::string& name);

}  // namespace berth::host_device
