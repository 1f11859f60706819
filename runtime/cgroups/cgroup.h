#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "cgroups/stats.h"
#include "oci/config.h"

namespace berth::runtime {

/// The unit of systemd whose cgroup a container's is.
struct SystemdUnit {
  std::string name;      ///< "berth-c1.scope"; empty: systemd has nothing to do with it.
  bool of_user = false;  ///< It is the user's instance of systemd that has the unit.

  bool empty() const { return name.empty(); }
};

/// The cgroup (v2) or cgroups (v1: one for each hierarchy) of one container.
class Cgroup {
 public:
  virtual ~Cgroup() = default;

  /// Decides where the container's cgroup goes (oci-runtime.md 2.6) on this host's layout; creates nothing.
  static std::unique_ptr<Cgroup> plan(const std::string& cgroups_path, const std::string& container_id);
  /// The cgroup of an existing container, from what paths() and unit() said. An empty map: no cgroups at all, every
  /// call does nothing. Without the unit, what is changed is changed behind systemd's back.
  static std::unique_ptr<Cgroup> open(const std::map<std::string, std::string>& paths, const SystemdUnit& unit = {});

  /// Absolute directories by controller ("" on v2), for the state file.
  virtual std::map<std::string, std::string> paths() const = 0;
  /// The unit of systemd that it belongs to, for the state file.
  virtual SystemdUnit unit() const { return {}; }

  /// Makes the directories. Throws if the cgroup exists and holds processes ("container's cgroup is not empty: N
  /// process(es) found") or is frozen ("container's cgroup unexpectedly frozen").
  virtual void create() = 0;
  /// A directory descriptor for CLONE_INTO_CGROUP; empty where that cannot be used (v1, and units to be started).
  virtual base::Fd directory() const = 0;
  /// Moves a process in (all hierarchies); the first one of a new unit starts it.
  virtual void join(pid_t pid) = 0;
  /// Whether a process with one thread can move itself in by `enter`, and so need no `join`. On v1 that spares it the
  /// wait for the lock that moving another process takes: half a dozen milliseconds, mostly.
  virtual bool can_be_entered() const { return false; }
  virtual void enter() {}
  /// Writes the limits and the device rules (the always-allowed ones included). Throws base::SystemError naming file
  /// and value.
  virtual void apply(const oci::Resources& resources) = 0;
  /// Lets a user of the host make cgroups below it and move processes there, but change none of its limits. On v1 that
  /// would not be safe: nothing happens.
  virtual void give_to(uid_t) {}
  /// Changes the limits of a running container to those that `changes` has; leaves devices alone. After a failure the
  /// old values are back. `before` is what the container was given until now.
  virtual void update(const oci::Resources& changes, const oci::Resources& before) = 0;

  /// Pids of all processes, sub-cgroups included.
  virtual std::vector<pid_t> processes() const = 0;
  /// How often the kernel's OOM killer struck in it (memory.events or memory.oom_control).
  virtual uint64_t oom_kills() const = 0;
  /// What it has used.
  virtual CgroupStats stats() const = 0;
  virtual void freeze() = 0;
  virtual void thaw() = 0;
  virtual bool is_frozen() const = 0;
  /// SIGKILL to everything in it, race-free (cgroup.kill; on v1 freeze, signal, thaw).
  virtual void kill_all() = 0;
  /// Removes it, sub-cgroups first; leftover processes are killed; missing directories are fine.
  virtual void destroy() = 0;
};

}  // namespace berth::runtime
