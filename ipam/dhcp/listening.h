#pragma once

#include <string>

#include "base/fd.h"

namespace berth::dhcp {

/// The socket at which a daemon listens.
struct Listening {
  base::Fd fd;
  std::string path;
  bool ours = false;  ///< We made it, so that we remove it; else systemd did.
};

/// The socket that systemd passed (sd_listen_fds(3)), or a new one at `path`, mode 0660, in a directory of mode 0700. A
/// socket file that nobody listens at is replaced. Throws base::SystemError; std::runtime_error if systemd passed more
/// than one socket, or if another daemon listens there.
Listening listen_for_plugins(const std::string& path);

}  // namespace berth::dhcp
