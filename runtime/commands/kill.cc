#include "commands/command.h"
#include "commands/command_line.h"
#include "commands/signals.h"
#include "container/lifecycle.h"

namespace berth::runtime {

int kill_command(const Globals& globals, const Words& words) {
  bool all = false;
  CommandLine line({"berth kill", "send a signal to the container's init process", "<container-id> [signal]",
                    "The signal is a name or a number, SIGTERM if it is not given."});
  line.flag("all,a", all, "obsolete: accepted, and a container that is not running is no error then");
  const auto arguments = line.parse(words, 1, 2);
  auto store = globals.store();
  // An unknown container is reported before an unknown signal.
  store.load(arguments[0]);
  const bool is_named = arguments.size() > 1 && !arguments[1].empty();
  const int signal = parse_signal(is_named ? arguments[1] : "TERM");
  kill_container(store, arguments[0], signal, all);
  return 0;
}

}  // namespace berth::runtime
