#include "commands/command.h"
#include "commands/command_line.h"
#include "container/state_json.h"

namespace berth::runtime {

int state_command(const Globals& globals, const Words& words) {
  CommandLine line({"berth state", "output the state of a container", "<container-id>"});
  const auto id = line.parse(words, 1, 1)[0];
  const auto store = globals.store();
  print(state_json(store, store.load(id)));
  return 0;
}

}  // namespace berth::runtime
