#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"
#include "cgroups/resctrl.h"
#include "container/hooks.h"
#include "container/lifecycle.h"

namespace berth::runtime {

namespace {

constexpr std::chrono::milliseconds kPatience{10'000};

/// SIGKILL, then waits for the end on the pidfd.
void kill_and_wait(const Record& record, Cgroup& cgroup) {
  const base::Fd pidfd(record.pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)) : -1);
  const bool alive = pidfd && process_start_time(record.pid) == record.start_time && record.start_time != 0;
  if (alive) ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  if (cgroup.is_frozen()) cgroup.thaw();
  if (!alive) return;
  pollfd entry{pidfd.get(), POLLIN, 0};
  if (::poll(&entry, 1, static_cast<int>(kPatience.count())) == 0)
    throw std::runtime_error("container init still running");
}

oci::State stopped_state(const Record& record) {
  oci::State state;
  state.id = record.id;
  state.status = "stopped";
  state.bundle = record.bundle;
  state.annotations = record.annotations;
  return state;
}

/// Deletes of one container take turns, so that its poststop hooks run once. False if there is no such container, or
/// not any more: one that was made meanwhile under the same id is another one. `turn` is held until it is closed.
bool wait_for_turn(const Store& store, const std::string& id, base::Fd& turn) {
  const std::string directory = store.directory(id);
  turn.reset(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!turn) return false;
  while (::flock(turn.get(), LOCK_EX) != 0) {
    if (errno != EINTR) base::throw_errno("lock " + directory);
  }
  struct stat held {};
  struct stat present {};
  base::check(::fstat(turn.get(), &held), "stat", directory);
  return ::lstat(directory.c_str(), &present) == 0 && present.st_dev == held.st_dev && present.st_ino == held.st_ino;
}

/// A state directory that cannot be read: nothing more is known of it.
std::vector<std::string> delete_remains(Store& store, const std::string& id) {
  store.remove(id);
  return {};
}

}  // namespace

std::vector<std::string> delete_container(Store& store, const std::string& id, bool force) {
  validate_container_id(id);
  base::Fd turn;
  if (!wait_for_turn(store, id, turn)) {
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
  const std::string status = status_of(store, record);
  if (!force && status != "stopped" && status != "created") {
    throw std::runtime_error("cannot delete container " + id + " that is not stopped: " + status);
  }
  const auto cgroup = Cgroup::open(record.cgroups);
  kill_and_wait(record, *cgroup);
  base::BestEffort cleanup;
  cleanup.attempt("remove the cgroup", [&] { cgroup->destroy(); });
  cleanup.attempt("remove the resctrl group", [&] { remove_resctrl(record.resctrl_owned); });
  std::vector<std::string> warnings;
  cleanup.attempt("run poststop hooks", [&] {
    const oci::Config config = store.load_config(record);
    warnings = run_all_hooks("poststop", config.hooks.poststop, stopped_state(record), record.bundle);
  });
  store.remove(id);
  warnings.insert(warnings.end(), cleanup.failures().begin(), cleanup.failures().end());
  return warnings;
}

}  // namespace berth::runtime
