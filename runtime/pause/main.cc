// pause: holds a pod's namespaces open. It is the first process of a container that does nothing: it ends what orphans
// leave behind (with `--share pid` they become its children) and exits when it is told to.
//
//   berth run --detach --bundle /usr/local/share/berth/bundles/pause --network web pod
//   berth run --pod pod --bundle app app
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

int main() {
  sigset_t awaited;
  ::sigemptyset(&awaited);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&awaited, signal);
  // The first process of a pid namespace gets only the signals that it asks for.
  if (::sigprocmask(SIG_BLOCK, &awaited, nullptr) != 0) return 1;
  for (;;) {
    const int signal = ::sigwaitinfo(&awaited, nullptr);
    if (signal == SIGTERM || signal == SIGINT) return 0;
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}
