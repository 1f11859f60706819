#include "commands/create_flags.h"
#include "commands/criu_flags.h"

namespace berth::runtime {

int restore_command(const Globals& globals, const Words& words) {
  CreateFlags flags;
  CriuFlags criu_flags;
  RestoreOptions options;
  CommandLine line(
      {"berth restore", "make a container from a checkpoint", "<container-id>",
       "The host's criu does the work. Without --detach it waits for the container's process, relays signals and\n"
       "the terminal, and exits with the status of the process."});
  flags.define_for_restore(line);
  criu_flags.define(line);
  line.flag("detach,d", options.detach, "do not wait for the container's process");
  line.flag("no-subreaper", options.no_subreaper, "do not adopt the container's orphaned processes");
  line.value("lsm-profile", options.lsm_profile, "AppArmor profile or SELinux label of its processes: TYPE:NAME");
  line.value("lsm-mount-context", options.lsm_mount_context, "SELinux context of its mounts");
  const auto id = line.parse(words, 1, 1)[0];
  try {
    options.criu = criu_flags.options();
    const auto prepared = flags.prepare(globals, id, options.detach, options);
    warn_without_root();
    auto store = globals.store();
    return restore_container(store, options, prepared.config, prepared.config_json);
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string("berth restore failed: ") + error.what());
  }
}

}  // namespace berth::runtime
