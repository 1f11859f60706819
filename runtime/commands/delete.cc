#include "commands/command.h"
#include "commands/command_line.h"
#include "container/lifecycle.h"
#include "log.h"

namespace berth::runtime {

int delete_command(const Globals& globals, const Words& words) {
  bool force = false;
  CommandLine line({"berth delete", "delete any resources held by the container", "<container-id>"});
  line.flag("force,f", force, "delete the container even if it is still running (by SIGKILL)");
  const auto id = line.parse(words, 1, 1)[0];
  auto store = globals.store();
  for (const auto& warning : delete_container(store, id, force)) log_warning(warning);
  return 0;
}

}  // namespace berth::runtime
