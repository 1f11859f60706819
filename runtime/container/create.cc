#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "base/unix_socket.h"
#include "container/creation.h"
#include "container/lifecycle.h"
#include "container/new_container.h"
#include "log.h"
#include "process/init.h"
#include "process/notify_socket.h"
#include "process/settings.h"
#include "process/standard_streams.h"
#include "process/user_namespace.h"
#include "security/lsm.h"
#include "security/rlimits.h"
#include "security/seccomp/filter.h"
#include "security/seccomp/listener.h"

namespace berth::runtime {

using base::check;

namespace {

/// One container on its way from nothing to created. A failure anywhere undoes all of it.
class Creation : NewContainer {
 public:
  Creation(Store& store, const CreateOptions& options, const oci::Config& config, Terminal& terminal)
      : NewContainer(store, options, config),
        terminal_(terminal),
        seccomp_(make_seccomp_filter(config.linux_.seccomp)) {
    if (!options.pidfd_socket.empty()) pidfd_socket_ = base::connect_unix_socket(options.pidfd_socket, "pidfd socket");
  }

  CreatedContainer run(const std::string& config_json);

 private:
  void make_fifo();
  void clone_init();
  void finish_set_up();
  [[noreturn]] void explain_death();

  Terminal& terminal_;
  std::optional<SeccompFilter> seccomp_;
  base::Fd fifo_;
  base::Fd pidfd_socket_;
  SyncChannel sync_{base::Fd()};
  base::Rollback rollback_;  ///< The last member: its steps use the others when a failure destroys this object.
};

void Creation::make_fifo() {
  const std::string path = store_.fifo_path(record_.id);
  check(::mkfifo(path.c_str(), 0600), "make fifo", path);
  fifo_ = base::open_file(path, O_RDWR);
}

void Creation::clone_init() {
  const auto namespaces = NamespacePlan::from(config_.linux_);
  require_same_mappings(namespaces, config_.linux_);
  // What the init process enters by itself can be made while it makes its network namespace. (Users without rights may
  // get no cgroups; the mounts, which are planned before the process is made, depend on that.)
  const bool make_groups_beside = cgroup_->can_be_entered() && !options_.rootless;
  if (!make_groups_beside) make_groups(rollback_);
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
  if (make_groups_beside) make_groups(rollback_);
  if (!cgroup_directory && context.cgroup == nullptr) cgroup_->join(pid);
  if (resctrl_) join_resctrl(record_.resctrl, pid);
  log_debug("container " + record_.id + ": made process " + std::to_string(pid));
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

void Creation::finish_set_up() {
  const std::string filter = seccomp_ ? seccomp_->compile() : "";
  sync_.expect(Step::kMounted);
  log_debug("container " + record_.id + ": its root file system is mounted");
  move_net_devices(rollback_);
  limit_resources();
  run_host_hooks();
  sync_.send(Step::kHooksDone);
  sync_.expect(Step::kReady);
  if (pidfd_socket_) base::send_descriptor(pidfd_socket_, pidfd_, "standard", "the pidfd over the pidfd socket");
  if (config_.process) set_rlimits(record_.pid, config_.process->rlimits);
  if (config_.process && config_.process->terminal) {
    record_.descriptors = standard_streams_of(record_.pid);
    store_.save(record_);
  }
  sync_.send(Step::kGo, filter);
  if (config_.process && seccomp_ && seccomp_->notifies()) {
    pass_listener(sync_, pidfd_, *config_.linux_.seccomp, state("creating", record_.pid), record_.pid);
  }
  sync_.expect(Step::kParked);
  write_pid_file();
  log_debug("container " + record_.id + ": created");
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
  // Without a terminal of its own the container has ours.
  record_.descriptors = standard_streams_of(::getpid());
  reserve(config_json, rollback_);
  make_fifo();
  try {
    clone_init();
    finish_set_up();
  } catch (const SyncChannel::PeerGone&) {
    explain_death();
  }
  rollback_.dismiss();
  return {record_, std::move(pidfd_)};
}

}  // namespace

CreatedContainer create_with_terminal(Store& store, const CreateOptions& options, const oci::Config& config,
                                      const std::string& config_json, Terminal& terminal) {
  validate_container_id(options.id);
  require_root_directory(config, options.bundle);
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
