#include "net/tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "base/error.h"
#include "base/fd.h"

namespace berth::net {

namespace {

/// Makes the interface; it lives as long as the descriptor.
void set_interface(const base::Fd& tun, const NewTap& tap) {
  ifreq request{};
  if (tap.name.size() >= sizeof request.ifr_name) throw base::SystemError("create tap " + tap.name, ENAMETOOLONG);
  tap.name.copy(request.ifr_name, tap.name.size());
  int flags = IFF_TAP | IFF_TUN_EXCL;
  if (tap.multi_queue) flags |= IFF_MULTI_QUEUE;
  if (tap.vnet_header) flags |= IFF_VNET_HDR;
  if (!tap.packet_information) flags |= IFF_NO_PI;
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(tun.get(), TUNSETIFF, &request) == 0) return;
  // With IFF_TUN_EXCL the driver says EBUSY to a name that is taken.
  throw base::SystemError("create tap " + tap.name, errno == EBUSY ? EEXIST : errno);
}

}  // namespace

void create_tap(const NewTap& tap) {
  const auto tun = base::open_file("/dev/net/tun", O_RDWR);
  set_interface(tun, tap);
  if (tap.owner) base::check(::ioctl(tun.get(), TUNSETOWNER, *tap.owner), "set the owner of tap", tap.name);
  if (tap.group) base::check(::ioctl(tun.get(), TUNSETGROUP, *tap.group), "set the group of tap", tap.name);
  base::check(::ioctl(tun.get(), TUNSETPERSIST, 1), "keep tap", tap.name);
}

}  // namespace berth::net
