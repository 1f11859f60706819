#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "cgroups/cgroup.h"
#include "oci/config.h"

namespace berth::runtime {

/// What is remembered of a container: ROOT/ID/state.json, versioned, written atomically. config.json is kept verbatim
/// beside it (as it was after the command line's changes), and exec.fifo while the container waits for `start`.
struct Record {
  std::string id;
  std::string bundle;
  std::string rootfs;
  std::string created;  ///< RFC 3339 with nanoseconds, UTC.
  uid_t owner = 0;
  pid_t pid = 0;                               ///< Of the init process; 0 while creating.
  uint64_t start_time = 0;                     ///< Field 22 of /proc/PID/stat: with the pid, a process for good.
  std::map<std::string, std::string> cgroups;  ///< Cgroup::paths()
  SystemdUnit unit;                            ///< Cgroup::unit()
  std::string resctrl;                         ///< Directory of its resctrl group; empty: none.
  std::vector<std::string> resctrl_owned;      ///< Resctrl groups to remove with it, in this order.
  oci::Annotations annotations;
  std::vector<std::string> descriptors;  ///< What its standard streams were: "pipe:[4711]", a path, …
  bool no_new_keyring = false;           ///< `exec` gets no session keyring either.
  /// config.json has a process and neither poststart nor poststop hooks: `start` and `delete` need not read it.
  bool is_plain = false;
};

/// The directory of all containers (`--root`).
class Store {
 public:
  explicit Store(std::string root) : root_(std::move(root)) {}

  /// Makes ROOT (0700) and ROOT/ID (0711); the directory is the lock on the id. Throws `container with given ID already
  /// exists`. The container is not deleted until the lock that is returned is given up: see hold().
  base::FileLock reserve(const std::string& id);
  /// While a container is worked on (create, update), the lock on its directory is shared. Throws SystemError (ENOENT)
  /// if there is no such container.
  base::FileLock hold(const std::string& id) const;
  /// The exclusive one is for its removal. Nothing if there is no such container, or not any more: one that was made
  /// meanwhile under the same id is another one. Waits for those that hold it, but not for ever.
  std::optional<base::FileLock> hold_to_remove(const std::string& id) const;
  void save(const Record& record);
  void save_config(const std::string& id, const std::string& config_json);
  /// Throws `container does not exist` (also for an unreadable record).
  Record load(const std::string& id) const;
  oci::Config load_config(const Record& record) const;
  /// The text that load_config parses.
  std::string load_config_json(const std::string& id) const;
  /// True if ROOT/ID is there, readable or not (for `delete --force`).
  bool has(const std::string& id) const;
  void remove(const std::string& id);
  std::vector<std::string> ids() const;

  std::string directory(const std::string& id) const { return root_ + "/" + id; }
  /// Remembers the hook that this process runs now, in case of our sudden death.
  void note_hook(const std::string& id, pid_t pid);
  /// The hook that was noted last, if it still runs and its runtime has died; else 0.
  pid_t orphaned_hook(const std::string& id) const;

  std::string fifo_path(const std::string& id) const { return directory(id) + "/exec.fifo"; }

 private:
  std::string root_;
};

/// creating, created, running, paused or stopped, from the record, the process (pid and start time; zombies are
/// stopped), the fifo and the freezer.
std::string status_of(const Store& store, const Record& record);

/// Field 22 of /proc/PID/stat, or 0 if there is no such process or it is a zombie.
uint64_t process_start_time(pid_t pid);

/// ^[A-Za-z0-9_+.-]+$, not "." or "..". Throws `invalid container ID format` or `container id cannot be empty`.
void validate_container_id(const std::string& id);

}  // namespace berth::runtime
