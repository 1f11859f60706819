#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "cgroups/cgroup.h"
#include "container/lifecycle.h"
#include "log.h"

namespace berth::runtime {

namespace {

/// In a pid namespace of the host or of another container the kernel does not end a container's processes with its
/// first one.
bool shares_pid_namespace(const oci::Config& config) {
  const auto* pids = config.linux_.find(oci::NamespaceType::kPid);
  return pids == nullptr || !pids->path.empty();
}

/// Signals exactly the process of the record: the pidfd is opened first, then the start time compared.
void send_signal(const Record& record, int signal) {
  const base::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
  if (!pidfd || process_start_time(record.pid) != record.start_time) throw std::runtime_error("container not running");
  log_debug("container " + record.id + ": signal " + std::to_string(signal) + " to process " +
            std::to_string(record.pid));
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0) return;
  if (errno == ESRCH) throw std::runtime_error("process already finished");
  base::throw_errno("signal process " + std::to_string(record.pid));
}

}  // namespace

void kill_container(Store& store, const std::string& id, int signal, bool all) {
  const Record record = store.load(id);
  const auto cgroup = Cgroup::open(record.cgroups);
  const std::string status = status_of(store, record);
  const bool everything = signal == SIGKILL && shares_pid_namespace(store.load_config(record));
  if (everything) cgroup->kill_all();
  if (status == "stopped") {
    if (!all) throw std::runtime_error("container not running");
    return;
  }
  if (!everything || record.cgroups.empty()) send_signal(record, signal);
  if (signal == SIGKILL && cgroup->is_frozen()) cgroup->thaw();
}

}  // namespace berth::runtime
