#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

#include "protocol.h"

namespace berth::dhcp {

/// No daemon listens at the socket, or it has stopped answering.
class DaemonUnreachable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Puts one question to the daemon at `socket_path` and waits for its answer, but for no longer than `silence` without
/// a sign of life. `keep_waiting` is called in between and may throw to give up. Throws DaemonUnreachable; the
/// cni::Error that the daemon answered.
Answer call_daemon(const std::string& socket_path, const Ask& ask, std::chrono::milliseconds silence,
                   const std::function<void()>& keep_waiting);

}  // namespace berth::dhcp
