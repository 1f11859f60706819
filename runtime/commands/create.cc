#include "commands/create_flags.h"

namespace berth::runtime {

int create_command(const Globals& globals, const Words& words) {
  CreateFlags flags;
  CommandLine line({"berth create", "create a container", "<container-id>",
                    "The container waits for `berth start`. Its bundle holds config.json and a root file system."});
  flags.define(line);
  const auto id = line.parse(words, 1, 1)[0];
  try {
    CreateOptions options;
    const auto prepared = flags.prepare(globals, id, true, options);
    auto store = globals.store();
    create_container(store, options, prepared.config, prepared.config_json);
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string("berth create failed: ") + error.what());
  }
  return 0;
}

}  // namespace berth::runtime
