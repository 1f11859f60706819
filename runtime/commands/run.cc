#include "commands/create_flags.h"

namespace berth::runtime {

int run_command(const Globals& globals, const Words& words) {
  CreateFlags flags;
  RunOptions options;
  CommandLine line(
      {"berth run", "create and run a container", "<container-id>",
       "Without --detach it waits for the container's process, relays signals and the terminal, and exits\n"
       "with the status of the process."});
  flags.define(line);
  line.flag("detach,d", options.detach, "do not wait for the container's process");
  line.flag("keep", options.keep, "do not delete the container after it has ended");
  line.flag("no-subreaper", options.no_subreaper, "do not adopt the container's orphaned processes");
  const auto id = line.parse(words, 1, 1)[0];
  try {
    const auto prepared = flags.prepare(globals, id, options.detach, options);
    auto store = globals.store();
    return run_container(store, options, prepared.config, prepared.config_json);
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string("berth run failed: ") + error.what());
  }
}

}  // namespace berth::runtime
