#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sched.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"
#include "cgroups/resctrl.h"
#include "container/creation.h"
#include "container/hooks.h"
#include "container/lifecycle.h"
#include "network/net_devices.h"
#include "oci/parse.h"
#include "process/fd_passing.h"
#include "process/init.h"
#include "process/notify_socket.h"
#include "process/settings.h"
#include "process/user_namespace.h"
#include "security/lsm.h"
#include "security/rlimits.h"
#include "security/seccomp/filter.h"
#include "security/seccomp/listener.h"

namespace berth::runtime {

using base::check;

namespace {

std::string now_rfc3339() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  char text[64];
  const size_t size = ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + size, sizeof text - size, ".%09ldZ", now.tv_nsec);
  return text;
}

std::string describe_memory_limit(const oci::Config& config) {
  const auto& memory = config.linux_.resources.memory;
  if (!memory || memory->limit.value_or(-1) <= 0) return "";
  return ": linux.resources.memory.limit is " + std::to_string(*memory->limit) + " bytes";
}

/// One container on its way from nothing to created. A failure anywhere undoes all of it.
class Creation {
 public:
  Creation(Store& store, const CreateOptions& options, const oci::Config& config, Terminal& terminal)
      : store_(store),
        options_(options),
        config_(config),
        terminal_(terminal),
        seccomp_(make_seccomp_filter(config.linux_.seccomp)) {
    if (!options.pidfd_socket.empty()) pidfd_socket_ = connect_unix_socket(options.pidfd_socket, "pidfd socket");
  }

  CreatedContainer run(const std::string& config_json);

 private:
  void reserve(const std::string& config_json);
  void make_cgroup();
  void make_resctrl_group();
  void make_fifo();
  void clone_init();
  void take_over(pid_t pid, base::Fd pidfd);
  void finish_set_up();
  void move_net_devices();
  void limit_resources();
  void run_host_hooks();
  void run_poststop_hooks();
  void kill_init();
  oci::State state(const char* status, pid_t pid) const;
  [[noreturn]] void explain_death();

  Store& store_;
  const CreateOptions& options_;
  const oci::Config& config_;
  Terminal& terminal_;
  std::optional<SeccompFilter> seccomp_;
  NetDevices net_devices_{config_.linux_.net_devices};
  Record record_;
  std::unique_ptr<Cgroup> cgroup_;
  std::optional<ResctrlGroup> resctrl_;
  base::Fd fifo_;
  base::Fd pidfd_;
  base::Fd pidfd_socket_;
  SyncChannel sync_{base::Fd()};
  std::optional<base::FileLock> lock_;  ///< No delete comes between.
  base::Rollback rollback_;  ///< The last member: its steps use the others when a failure destroys this object.
};

oci::State Creation::state(const char* status, pid_t pid) const {
  oci::State state;
  state.id = record_.id;
  state.status = status;
  state.pid = pid;
  state.bundle = record_.bundle;
  state.annotations = record_.annotations;
  return state;
}

void Creation::run_poststop_hooks() {
  std::string text;
  const auto& hooks = config_.hooks.poststop;
  for (const auto& failure :
       run_all_hooks("poststop", hooks, state("stopped", 0), record_.bundle, note_hooks_of(store_, record_.id))) {
    text += (text.empty() ? "" : "; ") + failure;
  }
  if (!text.empty()) throw std::runtime_error(text);
}

/// The record is written before anything else exists, so that `delete --force` finds what a killed create leaves.
void Creation::reserve(const std::string& config_json) {
  lock_ = store_.reserve(options_.id);
  rollback_.add("remove the state directory", [this] { store_.remove(options_.id); });
  if (!options_.notify_socket.empty()) NotifySocket::make_directory(store_.directory(options_.id));
  record_.id = options_.id;
  record_.bundle = options_.bundle;
  record_.rootfs = config_.root->path;
  record_.created = now_rfc3339();
  record_.owner = ::geteuid();
  record_.annotations = config_.annotations;
  record_.no_new_keyring = options_.no_new_keyring;
  store_.save_config(record_.id, config_json);
  cgroup_ = options_.no_cgroups ? Cgroup::open({}) : Cgroup::plan(config_.linux_.cgroups_path, record_.id);
  record_.cgroups = cgroup_->paths();
  if (config_.linux_.intel_rdt) {
    resctrl_ = ResctrlGroup::plan(*config_.linux_.intel_rdt, record_.id, resctrl_root());
    record_.resctrl = resctrl_->directory();
    record_.resctrl_owned = resctrl_->owned();
  }
  store_.save(record_);
  // Whatever failed, and whether or not another hook has run: as `delete` does, when all else is gone.
  if (!config_.hooks.poststop.empty()) rollback_.add("run poststop hooks", [this] { run_poststop_hooks(); });
}

/// Users without rights may have no cgroup to make others in; limits that are asked for are refused then.
void Creation::make_cgroup() {
  try {
    cgroup_->create();
  } catch (const base::SystemError& error) {
    const bool denied = error.code() == EACCES || error.code() == EPERM || error.code() == EROFS;
    if (!denied || !options_.rootless || !config_.linux_.cgroups_path.empty()) throw;
    cgroup_ = Cgroup::open({});
    record_.cgroups.clear();
  }
  rollback_.add("remove the cgroup", [this] { cgroup_->destroy(); });
}

void Creation::make_resctrl_group() {
  if (!resctrl_) return;
  resctrl_->create();
  rollback_.add("remove the resctrl group", [this] { resctrl_->remove(); });
}

void Creation::make_fifo() {
  const std::string path = store_.fifo_path(record_.id);
  check(::mkfifo(path.c_str(), 0600), "make fifo", path);
  fifo_ = base::open_file(path, O_RDWR);
}

void Creation::kill_init() {
  if (!pidfd_) return;
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0 && errno == EINTR) {
  }
}

void Creation::take_over(pid_t pid, base::Fd pidfd) {
  pidfd_ = std::move(pidfd);
  record_.pid = pid;
  record_.start_time = process_start_time(pid);
  store_.save(record_);
}

void Creation::clone_init() {
  const auto namespaces = NamespacePlan::from(config_.linux_);
  require_same_mappings(namespaces, config_.linux_);
  Mounts mounts(config_, record_.cgroups);
  auto [ours, theirs] = SyncChannel::make_pair();
  sync_ = std::move(ours);
  const base::Fd cgroup_directory = cgroup_->directory();
  InitContext context{config_,
                      namespaces,
                      mounts,
                      theirs,
                      fifo_,
                      terminal_.take_child_end(),
                      seccomp_ ? &*seccomp_ : nullptr,
                      state("creating", 0),
                      options_.no_pivot,
                      options_.no_new_keyring,
                      options_.inherited,
                      cgroup_->can_be_entered() ? cgroup_.get() : nullptr};

  base::Fd pidfd;
  const pid_t pid = clone_process(clone_flags_of(namespaces), cgroup_directory.get(), pidfd);
  if (pid == 0) {
    sync_.close();
    lock_.reset();
    run_init(context);
  }
  rollback_.add("kill the init process", [this] { kill_init(); });
  take_over(pid, std::move(pidfd));
  theirs.close();
  if (!cgroup_directory && context.cgroup == nullptr) cgroup_->join(pid);
  if (resctrl_) join_resctrl(record_.resctrl, pid);
  reset_cpu_affinity(pid);
  sync_.send(Step::kStart);
  if (namespaces.makes(CLONE_NEWUSER)) {
    sync_.expect(Step::kNeedMaps);
    write_id_maps(pid, config_.linux_.uid_mappings, config_.linux_.gid_mappings);
    sync_.send(Step::kMapsWritten);
  }
  if (namespaces.needs_second_fork()) {
    const pid_t real = std::stoi(sync_.expect(Step::kJoined));
    ::waitpid(pid, nullptr, 0);
    take_over(real, base::Fd(check(static_cast<int>(::syscall(SYS_pidfd_open, real, 0)), "open the init process")));
    sync_.send(Step::kStart);
  }
}

/// They are there before the hooks run and before sysctls of theirs are set.
void Creation::move_net_devices() {
  if (config_.linux_.net_devices.empty()) return;
  auto netns = net::NetNs::open("/proc/" + std::to_string(record_.pid) + "/ns/net");
  rollback_.add("give back network devices", [this] { net_devices_.give_back(); });
  net_devices_.move_to(std::move(netns));
}

void Creation::run_host_hooks() {
  const auto& hooks = config_.hooks;
  const auto note = note_hooks_of(store_, record_.id);
  const auto creating = state("creating", record_.pid);
  run_hooks("prestart", hooks.prestart, creating, record_.bundle, std::nullopt, note);
  run_hooks("createRuntime", hooks.create_runtime, creating, record_.bundle, std::nullopt, note);
}

void Creation::limit_resources() {
  try {
    cgroup_->apply(config_.linux_.resources);
  } catch (const base::SystemError& error) {
    const auto limit = describe_memory_limit(config_);
    // The kernel could not shrink what the init process already uses.
    if (error.code() != EBUSY || limit.empty()) throw;
    throw std::runtime_error(std::string(error.what()) + " (memory limit too low to start the container?)" + limit);
  }
}

void Creation::finish_set_up() {
  sync_.expect(Step::kMounted);
  move_net_devices();
  limit_resources();
  run_host_hooks();
  sync_.send(Step::kHooksDone);
  sync_.expect(Step::kReady);
  if (pidfd_socket_) send_descriptor(pidfd_socket_, pidfd_, "standard", "the pidfd over the pidfd socket");
  if (config_.process) set_rlimits(record_.pid, config_.process->rlimits);
  store_.save(record_);
  sync_.send(Step::kGo);
  if (config_.process && seccomp_ && seccomp_->notifies()) {
    pass_listener(sync_, pidfd_, *config_.linux_.seccomp, state("creating", record_.pid), record_.pid);
  }
  sync_.expect(Step::kParked);
  if (!options_.pid_file.empty()) base::write_file_atomic(options_.pid_file, std::to_string(record_.pid), 0644);
}

/// The init process ended without a word: say what killed it.
void Creation::explain_death() {
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOWAIT);
  if (cgroup_->oom_kills() > 0) {
    throw std::runtime_error("container init was OOM-killed (memory limit too low?)" + describe_memory_limit(config_));
  }
  throw std::runtime_error(info.si_code == CLD_EXITED
                               ? "container init exited with status " + std::to_string(info.si_status)
                               : "container init was killed by signal " + std::to_string(info.si_status));
}

CreatedContainer Creation::run(const std::string& config_json) {
  reserve(config_json);
  make_cgroup();
  make_resctrl_group();
  make_fifo();
  try {
    clone_init();
    finish_set_up();
  } catch (const SyncChannel::PeerGone&) {
    explain_death();
  }
  rollback_.dismiss();
  return {record_.pid, std::move(pidfd_)};
}

/// The bundle may be reached over symbolic links; what is said below it, or from the host's root on, may not.
void require_root_directory(const std::string& path, const std::string& bundle) {
  struct stat status {};
  check(::stat(path.c_str(), &status), "invalid rootfs: stat", path);
  if (!S_ISDIR(status.st_mode)) throw std::runtime_error("invalid rootfs: " + path + ": not a directory");
  const auto clean_bundle = oci::clean_path(bundle);
  const bool is_below = path.starts_with(clean_bundle + "/");
  const auto real_bundle = std::filesystem::canonical(clean_bundle).string();
  if (std::filesystem::canonical(path) != (is_below ? real_bundle + path.substr(clean_bundle.size()) : path))
    throw std::runtime_error("invalid rootfs: " + path + ": not an absolute path, or a symlink");
}

}  // namespace

CreatedContainer create_with_terminal(Store& store, const CreateOptions& options, const oci::Config& config,
                                      const std::string& config_json, Terminal& terminal) {
  validate_container_id(options.id);
  if (!config.root) throw std::runtime_error("config.json: missing root");
  require_root_directory(config.root->path, options.bundle);
  require_lsm(config.process.value_or(oci::Process{}), config.linux_.mount_label);
  try {
    if (options.notify_socket.empty()) return Creation(store, options, config, terminal).run(config_json);
    oci::Config notifying = config;
    NotifySocket::add_to(notifying, store.directory(options.id));
    return Creation(store, options, notifying, terminal).run(config_json);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    // The caller's own mistake needs no wrapping.
    if (text.find("container with given ID already exists") != std::string::npos) throw;
    throw std::runtime_error("unable to start container process: " + text);
  }
}

void create_container(Store& store, const CreateOptions& options, const oci::Config& config,
                      const std::string& config_json) {
  Terminal terminal(config.process && config.process->terminal, options.console_socket, true);
  create_with_terminal(store, options, config, config_json, terminal);
}

}  // namespace berth::runtime
