#include "commands/command.h"
#include "commands/command_line.h"
#include "container/lifecycle.h"
#include "process/notify_socket.h"

namespace berth::runtime {

int start_command(const Globals& globals, const Words& words) {
  CommandLine line({"berth start", "execute the process of a created container", "<container-id>"});
  const auto id = line.parse(words, 1, 1)[0];
  auto store = globals.store();
  start_container(store, id, NotifySocket::of_environment());
  return 0;
}

}  // namespace berth::runtime
