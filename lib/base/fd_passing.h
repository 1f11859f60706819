#pragma once

#include <string>

#include "base/fd.h"

/// Descriptors handed to others over unix sockets (SCM_RIGHTS), as console sockets and pidfd sockets want them.
namespace berth::base {

/// Connects to a listening AF_UNIX stream socket. `kind` names it in errors: "connect to console socket PATH: …".
Fd connect_unix_socket(const std::string& path, const std::string& kind);

/// One message: `text` with the descriptor `fd`. `what` names it in errors: "send WHAT". Throws SystemError.
void send_descriptor(const Fd& socket, const Fd& fd, const std::string& text, const std::string& what);

/// What one message brought.
struct ReceivedMessage {
  std::string text;  ///< Empty: the other side has closed.
  Fd descriptor;     ///< Empty: there was none.
};

/// The next message, up to `limit` bytes of it. `what` names it in errors: "receive WHAT". Throws SystemError.
ReceivedMessage receive_message(const Fd& socket, const std::string& what, size_t limit = 256);

}  // namespace berth::base
