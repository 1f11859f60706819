#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace berth::net {

/// A tap interface to be created (Documentation/networking/tuntap.rst).
struct NewTap {
  std::string name;
  bool multi_queue = false;         ///< More than one program, or thread, may attach at once.
  bool vnet_header = false;         ///< IFF_VNET_HDR: packets begin with a struct virtio_net_hdr.
  bool packet_information = false;  ///< No IFF_NO_PI: packets begin with a struct tun_pi.
  std::optional<uint32_t> owner;    ///< User who may attach to it; unset: root.
  std::optional<uint32_t> group;    ///< Group that may.
};

/// Creates a tap interface that stays, in the calling thread's network namespace. It has its final name from the
/// beginning, and is gone by itself if this program ends before it is complete. It is down.
/// Throws base::SystemError; EEXIST if there is an interface of that name.
void create_tap(const NewTap& tap);

}  // namespace berth::net
