#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"
#include "cgroups/resctrl.h"
#include "container/lifecycle.h"
#include "network/net_devices.h"
#include "oci/state.h"

namespace berth::runtime {

/// What every container has, made or restored: its id, state directory and record, its groups, its first process. Each
/// step registers its undo in a rollback, which must not outlive this.
class NewContainer {
 protected:
  NewContainer(Store& store, const CreateOptions& options, const oci::Config& config)
      : store_(store), options_(options), config_(config) {}

  /// Takes the id and writes the record, before anything else exists, so that `delete --force` finds what a killed
  /// create leaves.
  void reserve(const std::string& config_json, base::Rollback& rollback);
  /// The cgroup and the resctrl group.
  void make_groups(base::Rollback& rollback);
  void limit_resources();
  /// To the user of the container's process, where the specification wants that (cgroup ownership).
  void give_cgroup_away() const;
  /// Remembers the container's first process.
  void take_over(pid_t pid, base::Fd pidfd);
  /// Moves linux.netDevices to the network namespace of the first process.
  void move_net_devices(base::Rollback& rollback);
  /// prestart and createRuntime.
  void run_host_hooks() const;
  void kill_init();
  oci::State state(const char* status, pid_t pid) const;
  void write_pid_file() const;

  Store& store_;
  const CreateOptions& options_;
  const oci::Config& config_;
  NetDevices net_devices_{config_.linux_.net_devices};
  Record record_;
  std::unique_ptr<Cgroup> cgroup_;
  std::optional<ResctrlGroup> resctrl_;
  base::Fd pidfd_;
  std::optional<base::FileLock> lock_;  ///< No delete comes between.

 private:
  std::unique_ptr<Cgroup> plan_cgroup() const;
  void make_cgroup();
  void run_poststop_hooks();
};

/// ": linux.resources.memory.limit is N bytes", or "" without a limit.
std::string describe_memory_limit(const oci::Config& config);

/// Throws `invalid rootfs: …` unless root.path is a directory. The bundle may be reached over symbolic links; what is
/// said below it, or from the host's root on, may not.
void require_root_directory(const oci::Config& config, const std::string& bundle);

}  // namespace berth::runtime
