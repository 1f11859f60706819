#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unix_socket.h"
#include "cgroups/cgroup.h"
#include "cgroups/resctrl.h"
#include "cgroups/subgroup.h"
#include "container/lifecycle.h"
#include "log.h"
#include "process/console.h"
#include "process/foreground.h"
#include "process/identity.h"
#include "process/last_steps.h"
#include "process/namespaces.h"
#include "process/settings.h"
#include "process/standard_streams.h"
#include "process/sync.h"
#include "process/terminal.h"
#include "security/lsm.h"
#include "security/rlimits.h"
#include "security/seccomp/filter.h"
#include "security/seccomp/listener.h"
#include "security/sysctls.h"

namespace berth::runtime {

using base::check;

namespace {

/// What the joining process needs; read copy-on-write by the child.
struct ExecContext {
  const oci::Process& process;
  const oci::Linux& linux_;  ///< Of the container.
  const ExecOptions& options;
  base::Fd target;       ///< pidfd of the container's init process.
  base::Fd target_root;  ///< Its root directory, for containers without a mount namespace of their own.
  int namespaces = 0;    ///< CLONE_NEW* of what the child joins.
  SyncChannel& sync;
  SeccompFilter* seccomp;  ///< Or nullptr. The program is still to come.
  base::Fd console;
  base::Fd proc;  ///< The host's; empty unless there are labels to set.
  bool no_new_keyring = false;
  base::Fd pidfd_socket;     ///< Empty: nobody wants one.
  Cgroup* cgroup = nullptr;  ///< To be entered first of all, or nullptr.
};

/// The namespaces in which the container differs from us. Joining our own user namespace again is refused by the
/// kernel.
int namespaces_of(const oci::Config& config) {
  int flags = 0;
  for (const auto& ns : config.linux_.namespaces) flags |= oci::clone_flag(ns.type);
  return flags;
}

/// The second child is made by the first one, once that has joined.
bool needs_second_fork(const ExecContext& context) {
  return (context.namespaces & (CLONE_NEWUSER | CLONE_NEWTIME)) != 0;
}

/// A pid namespace is for children: where root may join it before the child is made, there needs to be no second one.
/// From its first moment on the child can be seen by the container's processes then, which must not trace it
/// (CVE-2016-9962): it takes that over from us.
void join_pid_namespace_for_child(ExecContext& context) {
  if (needs_second_fork(context) || (context.namespaces & CLONE_NEWPID) == 0) return;
  check(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "become untraceable");
  check(::setns(context.target.get(), CLONE_NEWPID), "join the container's pid namespace");
  context.namespaces &= ~CLONE_NEWPID;
}

void join_namespaces(const ExecContext& context) {
  if (context.namespaces != 0)
    check(::setns(context.target.get(), context.namespaces), "join the container's namespaces");
  if ((context.namespaces & CLONE_NEWUSER) != 0) become_namespace_root();
  if ((context.namespaces & CLONE_NEWNS) == 0) {
    check(::fchdir(context.target_root.get()), "change to the container's root");
    check(::chroot("."), "chroot");
  }
}

[[noreturn]] void run_joined(ExecContext& context) {
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    adjust_oom_score(context.process);
    // Processes of the container must not trace us or use our descriptors while we join (CVE-2016-9962).
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    base::reset_signals();
    if (context.cgroup != nullptr) context.cgroup->enter();
    context.sync.expect(Step::kStart);
    join_namespaces(context);
    if (needs_second_fork(context)) {
      continue_in_sibling(context.sync);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    }
    check(::setsid(), "make a session");
    const base::Fd root = base::open_file("/", O_PATH | O_DIRECTORY);
    // A container without a null device of its own has lost nothing by keeping the one it was given.
    replace_null_streams(root);
    if (context.console) {
      open_console(root, context.console, context.process.console_height, context.process.console_width, false);
    }
    context.sync.send(Step::kReady);
    const std::string filter = context.sync.expect(Step::kGo);
    if (context.seccomp != nullptr) context.seccomp->take_program(filter);
    close_on_exec_from(context.options.inherited.end());
    apply_settings(context.process, context.linux_);
    const auto& label = context.process.selinux_label;
    if (!context.no_new_keyring) join_session_keyring(context.options.id, label, context.proc);
    set_exec_labels(context.proc, context.process);
    const auto env = complete_environment(context.process);
    const auto program = take_last_steps(context.process, env, context.seccomp, context.sync);
    // The channel closes at exec; an error before that still goes through it.
    execute(program, context.process.args, env);
  } catch (const SyncChannel::PeerGone&) {
    ::_exit(1);
  } catch (const std::exception& error) {
    try {
      context.sync.send(Step::kError, error.what());
    } catch (const std::exception&) {
      ::_exit(1);
    }
  }
  ::_exit(1);
}

void require_running(const Store& store, const Record& record, bool ignore_paused) {
  const std::string status = status_of(store, record);
  if (status == "stopped" || status == "creating") throw ExecError("cannot exec in a stopped container");
  if (status == "paused" && !ignore_paused)
    throw ExecError("cannot exec in a paused container (use --ignore-paused to override)");
}

base::Fd open_init(const Record& record) {
  base::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
  if (!pidfd || process_start_time(record.pid) != record.start_time)
    throw ExecError("cannot exec in a stopped container");
  return pidfd;
}

/// A process that waits for its start still is one of ours, which none but root may look into.
base::Fd open_root(const Record& record) {
  try {
    return base::open_file("/proc/" + std::to_string(record.pid) + "/root", O_PATH | O_DIRECTORY);
  } catch (const base::SystemError& error) {
    if (error.code() != EACCES) throw;
    throw ExecError("cannot exec in a container that is not started without root's rights: " +
                    std::string(error.what()));
  }
}

struct Joined {
  pid_t pid = -1;
  base::Fd pidfd;
};

void abandon(const base::Fd& pidfd) {
  if (!pidfd) return;
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED);
}

/// Clones straight into the cgroup where the kernel can. On v2 a container that made cgroups of its own with
/// controllers has no processes at the top (systemd, for example): then the place is where its init process is. Where
/// only systemd may move processes, `directory` is closed, and the process has yet to join.
pid_t clone_into(base::Fd& directory, const Record& record, const ExecOptions& options, base::Fd& pidfd) {
  try {
    return clone_process(0, directory.get(), pidfd);
  } catch (const base::SystemError& error) {
    const bool is_for_systemd = error.code() == EACCES && !record.unit.empty();
    if ((error.code() != EBUSY && !is_for_systemd) || !directory || !options.cgroup.empty()) throw;
    if (is_for_systemd) {
      directory.reset();
      return clone_process(0, -1, pidfd);
    }
  }
  const auto beside_init = Cgroup::open({{"", unified_directory_of(record.pid)}});
  return clone_process(0, beside_init->directory().get(), pidfd);
}

/// Where it runs from here on; where it has run so far was inherited from us.
void place_on_cpus(pid_t pid, const oci::CpuAffinity& affinity) {
  if (affinity.final) {
    set_cpu_affinity(pid, *affinity.final, "process.execCPUAffinity.final");
  } else if (!affinity.initial) {
    reset_cpu_affinity(pid);
  }
}

/// As the specification has it for an agent that learns of a process of `exec`.
oci::State state_of(const Record& record) {
  oci::State state;
  state.id = record.id;
  state.status = "running";
  state.pid = record.pid;
  state.bundle = record.bundle;
  state.annotations = record.annotations;
  return state;
}

/// The parent's side, up to the point where the program runs.
Joined start_process(const Record& record, ExecContext& context, SyncChannel ours) {
  const auto& wanted = context.options.cgroup;
  const auto cgroup =
      wanted.empty() ? Cgroup::open(record.cgroups, record.unit) : Cgroup::open(subgroup_paths(record.cgroups, wanted));
  base::Fd directory = cgroup->directory();
  if (cgroup->can_be_entered()) context.cgroup = cgroup.get();
  Joined joined;
  const auto& initial = context.process.exec_cpu_affinity.initial;
  if (initial) set_cpu_affinity(0, *initial, "process.execCPUAffinity.initial");
  join_pid_namespace_for_child(context);
  joined.pid = clone_into(directory, record, context.options, joined.pidfd);
  if (joined.pid == 0) {
    ours.close();
    run_joined(context);
  }
  context.sync.close();
  try {
    if (!directory && context.cgroup == nullptr) cgroup->join(joined.pid);
    if (!record.resctrl.empty()) join_resctrl(record.resctrl, joined.pid);
    place_on_cpus(joined.pid, context.process.exec_cpu_affinity);
    ours.send(Step::kStart);
    if (needs_second_fork(context)) {
      const pid_t real = std::stoi(ours.expect(Step::kJoined));
      ::waitpid(joined.pid, nullptr, 0);
      joined.pid = real;
      joined.pidfd.reset(check(static_cast<int>(::syscall(SYS_pidfd_open, real, 0)), "open the process"));
      ours.send(Step::kStart);
    }
    const std::string filter = context.seccomp != nullptr ? context.seccomp->compile() : "";
    ours.expect(Step::kReady);
    if (context.pidfd_socket) {
      base::send_descriptor(context.pidfd_socket, joined.pidfd, "setns", "the pidfd over the pidfd socket");
    }
    set_rlimits(joined.pid, context.process.rlimits);
    ours.send(Step::kGo, filter);
    if (context.seccomp != nullptr && context.seccomp->notifies()) {
      pass_listener(ours, joined.pidfd, *context.linux_.seccomp, state_of(record), joined.pid);
    }
    ours.expect_end();
  } catch (const SyncChannel::PeerGone&) {
    throw std::runtime_error(std::string("the process ended before it was started") +
                             (cgroup->oom_kills() > 0 ? " (possibly OOM-killed)" : ""));
  } catch (const std::exception&) {
    abandon(joined.pidfd);
    throw;
  }
  return joined;
}

/// A process that its caller cannot find must not stay.
void write_pid_file(const std::string& path, const Joined& joined) {
  if (path.empty()) return;
  try {
    base::write_file_atomic(path, std::to_string(joined.pid), 0644);
  } catch (const std::exception&) {
    abandon(joined.pidfd);
    throw;
  }
}

}  // namespace

int exec_container(const Store& store, const Record& record, const oci::Config& config, const ExecOptions& options,
                   const oci::Process& asked) {
  const oci::Process process = asked.terminal && !options.detach ? with_callers_size(asked) : asked;
  require_running(store, record, options.ignore_paused);
  require_lsm(process);
  oci::require_mapped(process.user, config.linux_);
  auto seccomp = make_seccomp_filter(config.linux_.seccomp);
  auto [ours, theirs] = SyncChannel::make_pair();
  Terminal terminal(process.terminal, options.console_socket, options.detach);
  ExecContext context{process,
                      config.linux_,
                      options,
                      open_init(record),
                      open_root(record),
                      namespaces_of(config),
                      theirs,
                      seccomp ? &*seccomp : nullptr,
                      terminal.take_child_end(),
                      has_exec_labels(process) ? open_trusted_proc() : base::Fd(),
                      record.no_new_keyring,
                      {}};
  if (!options.pidfd_socket.empty())
    context.pidfd_socket = base::connect_unix_socket(options.pidfd_socket, "pidfd socket");
  Foreground foreground(!options.detach);
  Joined joined;
  try {
    joined = start_process(record, context, std::move(ours));
    log_debug("container " + record.id + ": process " + std::to_string(joined.pid) + " has joined it");
    write_pid_file(options.pid_file, joined);
  } catch (const std::exception& error) {
    throw ExecError(std::string("unable to start container process: ") + error.what());
  }
  context.console.reset();
  if (options.detach) return 0;
  return foreground.wait(joined.pid, std::move(joined.pidfd), terminal.master());
}

}  // namespace berth::runtime
