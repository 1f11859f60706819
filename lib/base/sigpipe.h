#pragma once

#include <signal.h>
#include <time.h>

namespace berth::base {

/// While it lives, a reader that ends early does not end us with SIGPIPE: writing fails with EPIPE. Nor does it when
/// our caller unblocks what it had blocked before. Per thread, so that parallel runs do not meddle with each other.
class BlockedSigpipe {
 public:
  BlockedSigpipe() {
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &previous_);
    was_pending_ = is_pending();
  }
  ~BlockedSigpipe() {
    const timespec now{0, 0};
    if (!was_pending_ && is_pending()) ::sigtimedwait(&sigpipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
  }
  BlockedSigpipe(const BlockedSigpipe&) = delete;
  BlockedSigpipe& operator=(const BlockedSigpipe&) = delete;

 private:
  static bool is_pending() {
    sigset_t pending{};
    ::sigpending(&pending);
    return ::sigismember(&pending, SIGPIPE) == 1;
  }

  sigset_t sigpipe_{};
  sigset_t previous_{};
  bool was_pending_ = false;
};

}  // namespace berth::base
