#include <optional>

#include "container/creation.h"
#include "container/delete_at_end.h"
#include "container/lifecycle.h"
#include "process/foreground.h"
#include "process/notify_socket.h"
#include "process/terminal.h"

namespace berth::runtime {

int run_container(Store& store, const RunOptions& options, const oci::Config& config, const std::string& config_json) {
  Terminal terminal(config.process && config.process->terminal, options.console_socket, options.detach);
  Foreground foreground(!options.detach, !options.no_subreaper);
  std::optional<oci::Config> sized;
  if (!options.detach && config.process && config.process->terminal) {
    sized = config;
    sized->process = with_callers_size(*config.process);
  }
  CreatedContainer created = create_with_terminal(store, options, sized ? *sized : config, config_json, terminal);
  DeleteAtEnd deletion(store, options.id);
  // In the foreground the manager is to watch us, and hears of the container while we relay.
  std::optional<NotifySocket> notify;
  const bool relays = !options.detach && !options.notify_socket.empty();
  if (relays) notify.emplace(store.directory(options.id), options.notify_socket);
  start_created(store, created.record, relays ? "" : options.notify_socket);
  if (options.detach || options.keep) deletion.disarm();
  if (options.detach) return 0;
  return foreground.wait(created.record.pid, std::move(created.pidfd), terminal.master(), notify ? &*notify : nullptr);
}

}  // namespace berth::runtime
