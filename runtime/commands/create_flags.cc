#include "commands/create_flags.h"

#include <unistd.h>

#include <stdexcept>

#include "base/text.h"
#include "cgroups/limit_text.h"
#include "cgroups/systemd/systemd.h"
#include "log.h"
#include "network/user_network.h"
#include "process/notify_socket.h"
#include "security/capabilities.h"

namespace berth::runtime {

namespace {

/// --cgroup-manager says more than --systemd-cgroup.
CgroupManager cgroup_manager(const Globals& globals) {
  const auto& name = globals.cgroup_manager;
  if (name == "disabled") return CgroupManager::kNobody;
  if (name != "systemd" && (!name.empty() || !globals.systemd_cgroup)) return CgroupManager::kFiles;
  require_systemd();
  return CgroupManager::kSystemd;
}

void warn_of_kernel_memory(const oci::Resources& resources) {
  if (resources.memory && resources.memory->has_kernel_limits) log_warning(kKernelMemoryWarning);
}

/// Throws std::runtime_error for what cannot be shared beyond what always is.
PodFlags pod_flags(const std::string& name, const std::vector<std::string>& share) {
  PodFlags flags{name};
  for (const auto& kind : share) {
    if (kind != "pid") throw std::runtime_error("--share: unknown namespace \"" + kind + "\", expected pid");
    flags.share_pid = true;
  }
  return flags;
}

}  // namespace

void check_console(bool terminal, bool detached, const std::string& console_socket) {
  if (detached && terminal && console_socket.empty()) {
    throw std::runtime_error("cannot allocate tty if runc will detach without setting console socket");
  }
  if ((!detached || !terminal) && !console_socket.empty()) {
    throw std::runtime_error("cannot use console socket if runc will not detach or allocate tty");
  }
}

void warn_of_unavailable_capabilities(const oci::Process& process, const oci::Config& config) {
  if (!process.capabilities) return;
  const auto names = unavailable_capabilities(*process.capabilities, config.linux_.has(oci::NamespaceType::kUser));
  if (!names.empty()) log_warning("ignoring unknown or unavailable capabilities: [" + base::join(names, " ") + "]");
}

void CreateFlags::define(CommandLine& line) {
  define_for_restore(line);
  line.value("pidfd-socket", pidfd_socket_, "AF_UNIX socket that receives a pidfd of the container's process");
  line.flag("no-new-keyring", no_new_keyring_, "inherit the caller's session keyring");
  line.number("preserve-fds", preserve_fds_, "pass this many more file descriptors to the container");
}

void CreateFlags::define_for_restore(CommandLine& line) {
  line.value("bundle,b", bundle_, "the bundle's directory (default: the current directory)");
  line.value("console-socket", console_socket_, "AF_UNIX socket that receives the master end of the console");
  line.value("pid-file", pid_file_, "write the process id to this file");
  line.flag("no-pivot", no_pivot_, "do without pivot_root, for a root file system on a ramdisk");
  line.values("network", network_.networks, "attach to this CNI network: NAME[:INTERFACE] (repeatable)");
  line.values("publish,p", network_.publish, "publish a port: [IP:]HOST:CONTAINER[/PROTOCOL] (repeatable)");
  line.value("net-dir", network_.net_dir, "directory of network configurations (default: /etc/cni/net.d)");
  line.value("cni-path", network_.cni_path, "directories of CNI plugins, ':' between them (default: /opt/cni/bin)");
  line.value("pod", pod_, "join the network, IPC and UTS namespaces of this container");
  line.values("share", share_, "with --pod: join this namespace, too (pid)");
}

CreateFlags::Prepared CreateFlags::prepare(const Globals& globals, const std::string& id, bool detached,
                                           CreateOptions& options) const {
  validate_container_id(id);
  options.id = id;
  options.bundle = bundle_directory(bundle_);
  options.console_socket = absolute_path(console_socket_);
  options.pid_file = absolute_path(pid_file_);
  options.no_pivot = no_pivot_;
  options.no_new_keyring = no_new_keyring_;
  options.pidfd_socket = absolute_path(pidfd_socket_);
  options.notify_socket = NotifySocket::of_environment();
  options.inherited = InheritedFds::of_caller(preserve_fds_, true);
  options.cgroup_manager = cgroup_manager(globals);
  options.rootless = globals.rootless;

  Prepared prepared;
  prepared.config_json = oci::read_config_text(options.bundle);
  const auto pod = pod_flags(pod_, share_);
  if (!pod.empty()) prepared.config_json = join_pod(prepared.config_json, pod, globals.store());
  if (!network_.empty()) {
    const bool unprivileged = ::geteuid() != 0;
    const auto hook = unprivileged ? user_network_hook(network_, globals.store().directory(id)) : cni_hook();
    prepared.config_json = add_networking(prepared.config_json, network_, hook);
  }
  prepared.config = oci::Config::parse(prepared.config_json, options.bundle, "config.json");
  if (!network_.empty()) require_own_network(prepared.config);
  warn_of_kernel_memory(prepared.config.linux_.resources);
  if (const auto& process = prepared.config.process) {
    check_console(process->terminal, detached, console_socket_);
    warn_of_unavailable_capabilities(*process, prepared.config);
  }
  const auto& personality = prepared.config.linux_.personality;
  if (personality && personality->has_flags) log_warning("ignoring linux.personality.flags: none are defined");
  return prepared;
}

}  // namespace berth::runtime
