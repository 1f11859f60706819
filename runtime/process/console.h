#pragma once

#include <string>

#include "base/fd.h"

/// Pseudo-terminals of containers (oci-runtime.md 3.3): made inside the container's own devpts, handed out over a unix
/// socket.
namespace berth::runtime {

/// In the container, after setsid and with its root as `/`: makes a pty in its devpts, sends the master over `socket`,
/// makes the slave the controlling terminal and the standard streams, and with `bind_console` mounts it on
/// /dev/console. `height` and `width` in characters; 0: unset.
void open_console(const base::Fd& root, const base::Fd& socket, unsigned height, unsigned width, bool bind_console);

/// "/dev/pts/N", as the terminal with this master is called in its devpts. Throws SystemError.
std::string slave_name(const base::Fd& master);

}  // namespace berth::runtime
