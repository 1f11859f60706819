#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "container/store.h"
#include "criu/options.h"
#include "oci/config.h"
#include "process/inherited_fds.h"

/// What the commands do; each throws std::exception with runc's text. The commands parse and print, nothing more.
namespace berth::runtime {

/// Who makes the containers' cgroups.
enum class CgroupManager {
  kFiles,    ///< We, by the cgroup file systems.
  kSystemd,  ///< systemd, as cgroups of its units.
  kNobody,   ///< There are none: as with an empty map for Cgroup::open.
};

/// Options common to `create` and `run`.
struct CreateOptions {
  std::string id;
  std::string bundle;          ///< Absolute.
  std::string console_socket;  ///< Empty: none.
  std::string pid_file;        ///< Empty: none.
  std::string pidfd_socket;    ///< Empty: none.
  std::string notify_socket;   ///< Where the container's readiness is reported (NotifySocket); empty: nowhere.
  bool no_pivot = false;
  bool no_new_keyring = false;
  InheritedFds inherited;
  bool rootless = false;  ///< A cgroup that nobody asked for and that may not be made is done without.
  CgroupManager cgroup_manager = CgroupManager::kFiles;
};

/// Makes the container and returns when its process is parked before exec (status created).
/// `config` is complete (networking flags applied); `config_json` is its text, for the store. After any failure nothing
/// is left, and poststop hooks have run.
void create_container(Store& store, const CreateOptions& options, const oci::Config& config,
                      const std::string& config_json);

/// Releases the parked process, then runs poststart hooks. With `notify_socket` it waits until the container is ready
/// or has ended.
void start_container(Store& store, const std::string& id, const std::string& notify_socket = {});

struct RunOptions : CreateOptions {
  bool detach = false;
  bool keep = false;
  bool no_subreaper = false;
};

/// create + start; in the foreground relays signals and the terminal, waits, deletes, and returns the process' exit
/// status (128+n for a signal). Detached: 0.
int run_container(Store& store, const RunOptions& options, const oci::Config& config, const std::string& config_json);

/// Sends a signal to the init process; SIGKILL to all processes if they share the host's pid namespace. `all`: obsolete
/// --all.
void kill_container(Store& store, const std::string& id, int signal, bool all);

/// Freezes a running or created container; throws `container not running` for any other. Returns when all of it stands
/// still.
void pause_container(const Store& store, const std::string& id);
/// Throws `container not paused`.
void resume_container(const Store& store, const std::string& id);

/// Changes the limits of a container that has a process (else `container not running`) to those that `resources`, a
/// LinuxResources object, has, and remembers them. After a failure everything is as before.
void update_container(Store& store, const std::string& id, const base::Json& resources);

/// Removes a stopped or created container (with `force` any): kill, cgroup, poststop hooks, state directory. Failures
/// of clean-up steps and hooks are returned as warnings.
std::vector<std::string> delete_container(Store& store, const std::string& id, bool force);

/// Options common to `checkpoint` and `restore`.
struct CriuOptions {
  std::string image_path;                         ///< Absolute.
  std::string work_path;                          ///< Absolute; empty: image_path.
  std::optional<criu::CgroupsMode> cgroups_mode;  ///< Unset: CRIU's own choice, which is soft.
  bool tcp_established = false;
  bool external_unix_sockets = false;
  bool shell_job = false;
  bool file_locks = false;
  bool auto_dedup = false;
  bool lazy_pages = false;
};

struct CheckpointOptions : CriuOptions {
  std::string parent_path;  ///< Relative to image_path; empty: none.
  std::string page_server_address;
  int page_server_port = 0;
  int status_fd = -1;
  bool leave_running = false;
  bool pre_dump = false;
  bool tcp_skip_in_flight = false;
  bool link_remap = false;
};

/// Writes the state of a running or paused container's processes to the image directory, and deletes the container
/// unless it is to be left running. Throws `Container cannot be checkpointed in X state`.
void checkpoint_container(Store& store, const std::string& id, const CheckpointOptions& options);

struct RestoreOptions : RunOptions {
  CriuOptions criu;
  std::string lsm_profile;
  std::string lsm_mount_context;
};

/// Makes a container from the images of a checkpoint and the bundle's configuration; the rest is as with run_container.
int restore_container(Store& store, const RestoreOptions& options, const oci::Config& config,
                      const std::string& config_json);

struct ExecOptions {
  std::string id;
  std::string console_socket;
  std::string pid_file;
  bool detach = false;
  std::string pidfd_socket;
  bool ignore_paused = false;
  InheritedFds inherited;
  std::string cgroup;  ///< Sub-cgroup; empty: the container's own.
};

/// Runs a process in a running container, of which `record` and `config` are what the store has; returns its exit
/// status (foreground) or 0 (detached). A failure before the process runs is thrown as ExecError (exit status 255).
int exec_container(const Store& store, const Record& record, const oci::Config& config, const ExecOptions& options,
                   const oci::Process& process);

class ExecError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace berth::runtime
