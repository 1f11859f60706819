#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"
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

/// A state directory that cannot be read: nothing more is known of it.
std::vector<std::string> delete_remains(Store& store, const std::string& id) {
  store.remove(id);
  return {};
}

}  // namespace

std::vector<std::string> delete_container(Store& store, const std::string& id, bool force) {
  validate_container_id(id);
  Record record;
  try {
    record = store.load(id);
  } catch (const std::exception&) {
    if (!force) throw;
    return store.has(id) ? delete_remains(store, id) : std::vector<std::string>{};
  }
  const std::string status = status_of(store, record);
  if (!force && status != "stopped" && status != "created") {
    throw std::runtime_error("cannot delete container " + id + " that is not stopped: " + status);
  }
  const auto cgroup = Cgroup::open(record.cgroups);
  kill_and_wait(record, *cgroup);
  base::BestEffort cleanup;
  cleanup.attempt("remove the cgroup", [&] { cgroup->destroy(); });
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
