#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/fd.h"

/// UNIX sockets, and descriptors handed to others over them (SCM_RIGHTS), as console sockets and pidfd sockets want it.
namespace berth::base {

/// The address of a UNIX socket: a path, or a name beginning with '@' (unix(7): abstract).
class UnixAddress {
 public:
  /// `kind` names the socket in errors. Throws std::invalid_argument if the path is empty or longer than the kernel's
  /// 107 bytes.
  explicit UnixAddress(const std::string& path, const std::string& kind = "UNIX socket");

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_un address_{};
  socklen_t size_;
};

/// A new stream socket that listens at `path`. Throws SystemError naming the path.
Fd listen_at(const std::string& path, int backlog = 16);

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
