// pause: holds a pod's namespaces open. It is the first process of a container that does nothing: it ends what orphans
// leave behind (with `--share pid` they become its children) and exits when it is told to.
//
//   berth run --detach --bundle /usr/local/share/berth/bundles/pause --network web pod
//   berth run --pod pod --bundle app app
//
// There is one for each pod of a host, so it does without a C library: a few KiB on disk and in memory.
#include <asm/signal.h>
#include <linux/wait.h>

#include <cstdint>

#include "base/system_call.h"

namespace berth::pause {

namespace {

constexpr uint64_t bit(int signal) {
  return uint64_t{1} << (signal - 1);
}

int run() {
  const uint64_t awaited = bit(SIGCHLD) | bit(SIGTERM) | bit(SIGINT);
  const auto set = reinterpret_cast<long>(&awaited);
  // The first process of a pid namespace gets only the signals that it asks for.
  if (base::system_call(SYS_rt_sigprocmask, SIG_BLOCK, set, 0, sizeof awaited) != 0) return 1;
  for (;;) {
    const long signal = base::system_call(SYS_rt_sigtimedwait, set, 0, 0, sizeof awaited);
    if (signal == SIGTERM || signal == SIGINT) return 0;
    while (base::system_call(SYS_wait4, -1, 0, WNOHANG) > 0) {
    }
  }
}

}  // namespace

}  // namespace berth::pause

#ifdef BERTH_FREESTANDING
extern "C" [[noreturn]] void _start() {
  for (;;) berth::base::system_call(SYS_exit_group, berth::pause::run());
}
#else
int main() {
  return berth::pause::run();
}
#endif
