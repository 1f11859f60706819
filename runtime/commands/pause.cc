#include "commands/command.h"
#include "commands/command_line.h"
#include "container/lifecycle.h"

namespace berth::runtime {

int pause_command(const Globals& globals, const Words& words) {
  CommandLine line({"berth pause", "suspend all processes of a container", "<container-id>"});
  pause_container(globals.store(), line.parse(words, 1, 1)[0]);
  return 0;
}

int resume_command(const Globals& globals, const Words& words) {
  CommandLine line({"berth resume", "resume all processes of a paused container", "<container-id>"});
  resume_container(globals.store(), line.parse(words, 1, 1)[0]);
  return 0;
}

}  // namespace berth::runtime
