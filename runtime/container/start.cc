#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/sigpipe.h"
#include "container/creation.h"
#include "container/hooks.h"
#include "container/lifecycle.h"
#include "log.h"
#include "process/notify_socket.h"

namespace berth::runtime {

namespace {

/// The fifo's only reader is the parked process. Its descriptor is close-on-exec: when the last reader goes, it has
/// become the container's program, or has died.
void wait_until_executed(const base::Fd& fifo) {
  pollfd entry{fifo.get(), 0, 0};
  while (::poll(&entry, 1, -1) < 0 && errno == EINTR) {
  }
}

base::Fd open_fifo(const Store& store, const std::string& id) {
  base::Fd fifo(::open(store.fifo_path(id).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (fifo) return fifo;
  if (errno == ENXIO) throw std::runtime_error("cannot start a container that has stopped");
  if (errno != ENOENT) base::throw_errno("open fifo " + store.fifo_path(id));
  throw std::runtime_error(store.has(id) ? "cannot start an already running container" : "container does not exist");
}

/// Whoever removes the fifo is the one that starts.
void claim(const Store& store, const std::string& id) {
  if (::unlink(store.fifo_path(id).c_str()) == 0) return;
  if (errno == ENOENT) throw std::runtime_error("cannot start an already running container");
  base::throw_errno("remove fifo " + store.fifo_path(id));
}

void release(const base::Fd& fifo) {
  const base::BlockedSigpipe no_sigpipe;
  try {
    base::write_all(fifo.get(), "0", "exec.fifo");
  } catch (const base::SystemError& error) {
    if (error.code() != EPIPE) throw;
    throw std::runtime_error("cannot start a container that has stopped");
  }
}

void require_created(const Store& store, const Record& record) {
  const std::string status = status_of(store, record);
  if (status == "created") return;
  if (status == "running") throw std::runtime_error("cannot start an already running container");
  if (status == "stopped") throw std::runtime_error("cannot start a container that has stopped");
  throw std::runtime_error("cannot start a container in the " + status + " state");
}

std::vector<oci::Hook> poststart_hooks(const Store& store, const Record& record) {
  if (record.is_plain) return {};
  const oci::Config config = store.load_config(record);
  if (!config.process) throw std::runtime_error("cannot start container " + record.id + ": config.json has no process");
  return config.hooks.poststart;
}

void run_poststart_hooks(Store& store, const std::vector<oci::Hook>& hooks, const Record& record) {
  if (hooks.empty()) return;
  oci::State state;
  state.id = record.id;
  state.status = "running";
  state.pid = record.pid;
  state.bundle = record.bundle;
  state.annotations = record.annotations;
  try {
    run_hooks("poststart", hooks, state, record.bundle, std::nullopt, note_hooks_of(store, record.id));
  } catch (const std::exception&) {
    delete_container(store, record.id, true);
    throw;
  }
}

}  // namespace

void start_container(Store& store, const std::string& id, const std::string& notify_socket) {
  const Record record = store.load(id);
  require_created(store, record);
  start_created(store, record, notify_socket);
}

void start_created(Store& store, const Record& record, const std::string& notify_socket) {
  const std::string& id = record.id;
  const auto hooks = poststart_hooks(store, record);
  std::optional<NotifySocket> notify;
  if (!notify_socket.empty() && NotifySocket::is_wanted(store.directory(id)))
    notify.emplace(store.directory(id), notify_socket);
  const base::Fd process(notify ? static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)) : -1);
  const base::Fd fifo = open_fifo(store, id);
  claim(store, id);
  release(fifo);
  wait_until_executed(fifo);
  log_debug("container " + id + ": started");
  run_poststart_hooks(store, hooks, record);
  if (notify && process) notify->forward_until_ready(process, record.pid);
}

}  // namespace berth::runtime
