#include "process/init.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "base/process.h"
#include "container/hooks.h"
#include "process/console.h"
#include "process/identity.h"
#include "process/last_steps.h"
#include "process/settings.h"
#include "process/standard_streams.h"
#include "rootfs/devices.h"
#include "rootfs/mount_api.h"
#include "rootfs/pivot.h"
#include "security/lsm.h"
#include "security/sysctls.h"

namespace berth::runtime {

using base::check;
using oci::NamespaceType;

namespace {

/// What `start` writes into the fifo has come, or the channel is closed: nobody reads our errors any more.
constexpr int kExecFailed = 255;

void enter_namespaces(const InitContext& context) {
  const NamespacePlan& plan = context.namespaces;
  const bool makes_user = plan.makes(CLONE_NEWUSER);
  int later = plan.new_flags & ~clone_flags_of(plan) & ~CLONE_NEWUSER;
  // Where no other namespace has to be there first, while the parent makes the cgroups.
  if (later == CLONE_NEWNET && plan.joined.empty()) {
    check(::unshare(std::exchange(later, 0)), "make a network namespace");
  }
  context.sync.expect(Step::kStart);
  if (context.cgroup != nullptr) context.cgroup->enter();
  enter(plan);
  if (makes_user) {
    check(::unshare(CLONE_NEWUSER), "make a user namespace");
    // An unprivileged parent can write our maps only while our files in /proc are not root's, and its hooks can open
    // our namespaces. Where nobody else is, nobody else can trace us.
    const bool unprivileged = ::geteuid() != 0;
    if (unprivileged) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    context.sync.send(Step::kNeedMaps);
    context.sync.expect(Step::kMapsWritten);
    become_namespace_root();
    if (!plan.joined.empty()) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  }
  if (later != 0) check(::unshare(later), "make namespaces");
  if (plan.new_time) make_time_namespace(context.config.linux_);
  if (plan.needs_second_fork()) continue_in_sibling(context.sync);
  if (plan.new_cgroup) check(::unshare(CLONE_NEWCGROUP), "make a cgroup namespace");
}

/// What must be opened while the host's file tree can still be seen.
struct HostHandles {
  base::Fd proc = open_trusted_proc();
  base::Fd null_device = open_null_device();
};

base::Fd build_root(const InitContext& context) {
  const bool own = context.config.linux_.makes(NamespaceType::kMount);
  base::Fd root = own ? context.mounts.make_root() : base::open_file(context.config.root->path, O_PATH | O_DIRECTORY);
  context.mounts.mount_all(root);
  if (!dev_is_bound(context.config)) make_devices(root, context.config);
  return root;
}

void enter_root(const InitContext& context, const base::Fd& root) {
  if (context.config.linux_.makes(NamespaceType::kMount)) {
    change_root(root, context.no_pivot);
    return context.mounts.finish_propagation(root);
  }
  // The root of a namespace that others live in stays as it is.
  check(::fchdir(root.get()), "change to the root file system");
  check(::chroot("."), "chroot");
}

/// In the container, or in sight of it: the runtime's own environment may hold what is none of its business.
void run_container_hooks(const InitContext& context, const char* stage, const char* status,
                         const std::vector<oci::Hook>& hooks, const std::string& directory,
                         const std::vector<std::string>& env) {
  if (hooks.empty()) return;
  oci::State state = context.state;
  state.status = status;
  state.pid = ::getpid();
  run_hooks(stage, hooks, state, directory, env);
}

void set_names(const oci::Config& config) {
  if (!config.hostname.empty()) check(::sethostname(config.hostname.data(), config.hostname.size()), "set hostname");
  if (!config.domainname.empty())
    check(::setdomainname(config.domainname.data(), config.domainname.size()), "set domainname");
}

/// Everything that needs root's rights in the container's namespaces.
void set_up(InitContext& context) {
  const oci::Config& config = context.config;
  // The mounts of a namespace that others live in are theirs to change: not to be relied on.
  std::optional<HostHandles> early;
  if (context.namespaces.joins(NamespaceType::kMount)) early.emplace();
  enter_namespaces(context);
  check(::setsid(), "make a session");
  if (context.namespaces.makes(CLONE_NEWNET)) bring_loopback_up();
  const HostHandles host = early ? std::move(*early) : HostHandles();
  const base::Fd root = build_root(context);
  context.sync.send(Step::kMounted);
  context.sync.expect(Step::kHooksDone);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  run_container_hooks(context, "createContainer", "creating", config.hooks.create_container, config.root->path, {});
  enter_root(context, root);
  if (!replace_null_streams(root)) throw std::runtime_error("the container has no null device at /dev/null");
  if (config.process) enter_directory(config.process->cwd, true);
  if (context.console) {
    open_console(root, context.console, config.process->console_height, config.process->console_width,
                 !dev_is_bound(config));
  }
  context.mounts.finish_read_only();
  if (config.root->readonly) make_read_only(root);
  set_names(config);
  write_sysctls(host.proc, config.linux_.sysctl);
  const auto open = [&](const std::string& path) { return context.mounts.try_open(root, path); };
  make_paths_read_only(open, config.linux_.readonly_paths);
  mask_paths(open, config.linux_.masked_paths, host.null_device, config.linux_.mount_label);
  if (config.process) apply_settings(*config.process, config.linux_);
  const std::string label = config.process ? config.process->selinux_label : "";
  if (!context.no_new_keyring) join_session_keyring(context.state.id, label, host.proc);
  if (config.process) set_exec_labels(host.proc, *config.process);
}

void wait_for_start(const base::Fd& fifo) {
  char byte = 0;
  ssize_t n = 0;
  while ((n = ::read(fifo.get(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (n != 1) base::throw_errno("wait for start");
}

[[noreturn]] void report_and_exit(const InitContext& context, const std::string& text) {
  try {
    context.sync.send(Step::kError, text);
  } catch (const std::exception&) {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  ::_exit(1);
}

/// Nobody listens on the channel any more: the message goes where the container's own messages go.
[[noreturn]] void start_and_exec(InitContext& context, const std::string& program,
                                 const std::vector<std::string>& env) {
  try {
    wait_for_start(context.fifo);
    run_container_hooks(context, "startContainer", "created", context.config.hooks.start_container, "/", env);
    execute(program, context.config.process->args, env);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    ::_exit(kExecFailed);
  }
}

}  // namespace

int clone_flags_of(const NamespacePlan& namespaces) {
  const bool user = namespaces.makes(CLONE_NEWUSER) || namespaces.joins(NamespaceType::kUser);
  if (user) return 0;
  const int flags = namespaces.new_flags & ~CLONE_NEWNET;
  // The first process of a pid namespace cannot have a sibling in its place.
  return namespaces.needs_second_fork() ? flags & ~CLONE_NEWPID : flags;
}

void run_init(InitContext& context) {
  std::string program;
  std::vector<std::string> env;
  std::string phase = "error during container init: ";
  try {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (context.config.process) adjust_oom_score(*context.config.process);
    // Nothing in a namespace we join may trace us or use our descriptors (CVE-2016-9962); exec makes us dumpable again.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    base::reset_signals();
    set_up(context);
    context.sync.send(Step::kReady);
    const std::string filter = context.sync.expect(Step::kGo);
    if (context.seccomp != nullptr) context.seccomp->take_program(filter);
    phase.clear();
    close_on_exec_from(context.inherited.end());
    if (context.config.process) {
      env = complete_environment(*context.config.process, context.inherited.environment());
      program = take_last_steps(*context.config.process, env, context.seccomp, context.sync);
    } else {
      ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    }
    context.sync.send(Step::kParked);
    context.sync.close();
  } catch (const SyncChannel::PeerGone&) {
    ::_exit(1);
  } catch (const std::exception& error) {
    report_and_exit(context, phase + error.what());
  }
  start_and_exec(context, program, env);
}

}  // namespace berth::runtime
