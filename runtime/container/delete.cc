#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"
#include "cgroups/resctrl.h"
#include "container/hooks.h"
#include "container/lifecycle.h"
#include "log.h"

namespace berth::runtime {

namespace {

constexpr std::chrono::milliseconds kPatience{10'000};

/// Its pidfd; empty if the container's process had ended already.
base::Fd send_sigkill(const Record& record) {
  base::Fd pidfd(record.pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)) : -1);
  const bool alive = pidfd && process_start_time(record.pid) == record.start_time && record.start_time != 0;
  if (!alive) return {};
  log_debug("container " + record.id + ": killing process " + std::to_string(record.pid));
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  return pidfd;
}

bool ends_in_time(const base::Fd& pidfd) {
  pollfd entry{pidfd.get(), POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(kPatience.count())) != 0;
}

/// SIGKILL, then waits for the end on the pidfd.
void kill_and_wait(const Record& record, Cgroup& cgroup) {
  const base::Fd pidfd = send_sigkill(record);
  if (cgroup.is_frozen()) cgroup.thaw();
  if (pidfd && !ends_in_time(pidfd)) throw std::runtime_error("container init still running");
}

oci::State stopped_state(const Record& record) {
  oci::State state;
  state.id = record.id;
  state.status = "stopped";
  state.bundle = record.bundle;
  state.annotations = record.annotations;
  return state;
}

/// The hook of a runtime that was killed goes on by itself: only when it is done, poststop can undo what it does. One
/// that does not end is killed with its process group.
void outlive_orphaned_hook(const Store& store, const std::string& id) {
  const pid_t pid = store.orphaned_hook(id);
  if (pid == 0) return;
  const base::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd || store.orphaned_hook(id) != pid) return;
  if (ends_in_time(pidfd)) return;
  ::kill(-pid, SIGKILL);
  if (!ends_in_time(pidfd)) throw std::runtime_error("hook " + std::to_string(pid) + " still running");
}

/// A create that is still at work fails without its process, and does not keep us waiting. What is not readable now is
/// not so far.
void interrupt_creation(const Store& store, const std::string& id) {
  try {
    const Record record = store.load(id);
    if (record.pid != 0) send_sigkill(record);
  } catch (const std::exception&) {
  }
}

void require_deletable(const Store& store, const Record& record) {
  const std::string status = status_of(store, record);
  if (status == "stopped" || status == "created") return;
  throw std::runtime_error("cannot delete container " + record.id + " that is not stopped: " + status);
}

/// A state directory that cannot be read: nothing more is known of it.
std::vector<std::string> delete_remains(Store& store, const std::string& id) {
  store.remove(id);
  return {};
}

}  // namespace

std::vector<std::string> delete_container(Store& store, const std::string& id, bool force) {
  if (force) interrupt_creation(store, id);
  const auto lock = store.hold_to_remove(id);
  if (!lock) {
    if (!force) throw std::runtime_error("container does not exist");
    return {};
  }
  Record record;
  try {
    record = store.load(id);
  } catch (const std::exception&) {
    if (!force) throw;
    return delete_remains(store, id);
  }
  if (!force) require_deletable(store, record);
  const auto cgroup = Cgroup::open(record.cgroups, record.unit);
  kill_and_wait(record, *cgroup);
  base::BestEffort cleanup;
  cleanup.attempt("wait for a hook", [&] { outlive_orphaned_hook(store, id); });
  cleanup.attempt("remove the cgroup", [&] { cgroup->destroy(); });
  cleanup.attempt("remove the resctrl group", [&] { remove_resctrl(record.resctrl_owned); });
  std::vector<std::string> warnings;
  cleanup.attempt("run poststop hooks", [&] {
    if (record.is_plain) return;
    const oci::Config config = store.load_config(record);
    warnings = run_all_hooks("poststop", config.hooks.poststop, stopped_state(record), record.bundle,
                             note_hooks_of(store, id));
  });
  store.remove(id);
  log_debug("container " + id + ": deleted");
  warnings.insert(warnings.end(), cleanup.failures().begin(), cleanup.failures().end());
  return warnings;
}

}  // namespace berth::runtime
