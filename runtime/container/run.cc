#include <sys/syscall.h>
#include <unistd.h>

#include <optional>

#include "base/error.h"
#include "container/creation.h"
#include "container/lifecycle.h"
#include "log.h"
#include "process/foreground.h"
#include "process/notify_socket.h"
#include "process/terminal.h"

namespace berth::runtime {

namespace {

void delete_with_warnings(Store& store, const std::string& id) {
  for (const auto& warning : delete_container(store, id, true)) log_warning(warning);
}

/// What is not kept is deleted, whatever happens on the way.
class DeleteAtEnd {
 public:
  DeleteAtEnd(Store& store, std::string id, bool armed) : store_(store), id_(std::move(id)), armed_(armed) {}
  ~DeleteAtEnd() {
    if (!armed_) return;
    try {
      delete_with_warnings(store_, id_);
    } catch (const std::exception& error) {
      log_warning("delete container " + id_ + ": " + error.what());
    }
  }
  DeleteAtEnd(const DeleteAtEnd&) = delete;
  DeleteAtEnd& operator=(const DeleteAtEnd&) = delete;
  void disarm() { armed_ = false; }

 private:
  Store& store_;
  std::string id_;
  bool armed_;
};

}  // namespace

int run_container(Store& store, const RunOptions& options, const oci::Config& config, const std::string& config_json) {
  Terminal terminal(config.process && config.process->terminal, options.console_socket, options.detach);
  Foreground foreground(!options.detach, !options.no_subreaper);
  std::optional<oci::Config> sized;
  if (!options.detach && config.process && config.process->terminal) {
    sized = config;
    sized->process = with_callers_size(*config.process);
  }
  CreatedContainer created = create_with_terminal(store, options, sized ? *sized : config, config_json, terminal);
  DeleteAtEnd deletion(store, options.id, true);
  // In the foreground the manager is to watch us, and hears of the container while we relay.
  std::optional<NotifySocket> notify;
  const bool relays = !options.detach && !options.notify_socket.empty();
  if (relays) notify.emplace(store.directory(options.id), options.notify_socket);
  start_container(store, options.id, relays ? "" : options.notify_socket);
  if (options.detach || options.keep) deletion.disarm();
  if (options.detach) return 0;
  return foreground.wait(created.pid, std::move(created.pidfd), terminal.master(), notify ? &*notify : nullptr);
}

}  // namespace berth::runtime
