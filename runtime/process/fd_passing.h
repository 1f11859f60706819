#pragma once

#include <string>

#include "base/fd.h"

/// Descriptors handed to others over unix sockets (SCM_RIGHTS), as console sockets and pidfd sockets want them.
namespace berth::runtime {

/// Connects to a listening AF_UNIX stream socket. `kind` names it in errors: "connect to console socket PATH: …".
base::Fd connect_unix_socket(const std::string& path, const std::string& kind);

/// One message: `text` with the descriptor `fd`. `what` names it in errors: "send WHAT". Throws SystemError.
void send_descriptor(const base::Fd& socket, const base::Fd& fd, const std::string& text, const std::string& what);

/// The descriptor of the next message. Throws std::runtime_error if it carries none.
base::Fd receive_descriptor(const base::Fd& socket, const std::string& what);

}  // namespace berth::runtime
