#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/lent_device.h"
#include "net/netlink.h"
#include "net/netns.h"

namespace berth::runtime {

/// The devices of the host that become a container's (linux.netDevices of the runtime specification): with their
/// permanent global addresses, without their routes, up, and never moved back once the container exists.
class NetDevices {
 public:
  /// Finds them in this thread's namespace; `devices` maps their names there to those in the container. Throws
  /// SystemError naming the one that is missing, std::runtime_error without the right to move any.
  explicit NetDevices(const std::map<std::string, std::string>& devices);
  NetDevices(const NetDevices&) = delete;
  NetDevices& operator=(const NetDevices&) = delete;

  /// Names that end in "%d" become the first free one. Throws SystemError if another name is taken.
  void move_to(net::NetNs container);

  /// Undoes move_to, as far as it came. Throws SystemError.
  void give_back();

 private:
  std::optional<net::Netlink> host_;
  std::optional<net::NetNs> container_;
  std::vector<std::pair<net::LentDevice, std::string>> devices_;  ///< With the name in the container.
};

}  // namespace berth::runtime
