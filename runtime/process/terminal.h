#pragma once

#include <string>
#include <utility>

#include "base/fd.h"
#include "oci/config.h"

namespace berth::runtime {

/// Where the master of a container's pty goes: to the caller's console socket, or to ourselves in the foreground.
class Terminal {
 public:
  /// Throws runc's texts for combinations that cannot work: a terminal that nobody would hold, a socket without a
  /// terminal, a terminal in the foreground of a process that has none itself.
  Terminal(bool wanted, const std::string& console_socket, bool detach);

  /// The socket over which the container sends the master; empty if there is no terminal.
  base::Fd take_child_end() { return std::move(child_end_); }

  /// The master, if it was sent to us; else empty. Call it once the container runs.
  base::Fd master();

 private:
  base::Fd child_end_;
  base::Fd our_end_;
};

/// A process with a terminal that is run in the foreground: before its program can look, the terminal has the size of
/// the caller's, if that is one.
oci::Process with_callers_size(oci::Process process);

}  // namespace berth::runtime
