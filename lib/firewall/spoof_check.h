#pragma once

#include <functional>
#include <string>

#include "firewall/firewall.h"
#include "net/mac.h"

/// What a container may claim to be on its bridge (the bridge plugin's `macspoofchk`).
namespace berth::firewall {

/// Frames that come in through some bridge ports are dropped unless they bear the hardware address of the container
/// behind the port. In a table of our own, `bridge berth`, by two sets whose elements carry their owner:
///
///     chain prerouting  filter, -300   iifname @guarded-ports iifname . ether saddr != @allowed-senders drop
///
/// All throw base::SystemError or Busy, and may be repeated.
class SpoofCheck {
 public:
  /// Guards a port. Throws base::SystemError if the kernel cannot filter what bridges forward.
  static void add(const Owner& owner, const std::string& port, const net::MacAddress& mac);
  /// Ends the guarding of the owner's port, also that which the reference plugin set up.
  static void remove(const Owner& owner);
  static bool is_intact(const Owner& owner, const std::string& port, const net::MacAddress& mac);
  /// Removes what belongs to `network` and whose owner `is_valid` rejects.
  static void collect_garbage(const std::string& network, const std::function<bool(const Owner&)>& is_valid);
};

}  // namespace berth::firewall
