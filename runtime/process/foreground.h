#pragma once

#include <signal.h>
#include <sys/types.h>

#include "base/fd.h"

namespace berth::runtime {

class NotifySocket;

/// A container's process in the foreground: our signals become its signals, our terminal its terminal, its status ours.
/// Make it before the process is cloned, so that no signal is lost.
class Foreground {
 public:
  /// `active` false: does nothing. `subreaper`: orphans of the container come to us to be reaped.
  explicit Foreground(bool active, bool subreaper = false);
  ~Foreground();
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;

  /// Forwards every signal but SIGCHLD and SIGURG, relays the terminal (`master` may be empty), and waits for the end
  /// of the process. Returns its exit status, or 128 + n if signal n killed it.
  /// With `notify`, its readiness is passed on meanwhile, with our own pid.
  int wait(pid_t pid, base::Fd pidfd, base::Fd master, NotifySocket* notify = nullptr);

 private:
  bool active_;
  sigset_t previous_{};
};

}  // namespace berth::runtime
