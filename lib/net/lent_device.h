#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/link.h"
#include "net/netlink.h"
#include "net/netns.h"

namespace berth::net {

/// A device of the host that goes to another namespace, with what the move takes from it, so that it can be put back.
class LentDevice {
 public:
  /// `link` is in the namespace of `host`, which must outlive this object.
  LentDevice(Netlink& host, Link link);

  /// Moves it to `container`, as `name` and with this alias. Throws SystemError, EEXIST if the name is taken there.
  void lend(const NetNs& container, const std::string& name, const std::string& alias);

  /// Moves it back and makes it what it was: name, alias, master, addresses, routes, up or down. Does nothing if it is
  /// not in the container (any more).
  void restore(const NetNs& container);

  const Link& link() const { return link_; }
  /// Those it had on the host, without the kernel's own.
  const std::vector<LinkAddress>& addresses() const { return addresses_; }

 private:
  std::optional<Link> find_in(Netlink& container) const;
  void restore_settings(int index);

  Netlink& host_;
  NetNs home_;
  Link link_;
  std::string lent_name_;
  std::string lent_alias_;
  std::vector<LinkAddress> addresses_;
  std::vector<LinkRoute> routes_;
};

}  // namespace berth::net
