#include "process/namespaces.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/rollback.h"

namespace berth::runtime {

using base::check;
using oci::NamespaceType;

namespace {

base::Fd open_namespace(const oci::Namespace& ns) {
  base::Fd fd = base::open_file(ns.path, O_RDONLY);
  const int type = ::ioctl(fd.get(), NS_GET_NSTYPE);
  if (type != oci::clone_flag(ns.type)) {
    throw std::runtime_error("linux.namespaces: " + ns.path + " is not a " + oci::proc_name(ns.type) + " namespace");
  }
  return fd;
}

/// newuidmap and newgidmap, which map the ids that /etc/subuid and /etc/subgid give to a user.
void run_map_helper(const std::string& helper, const std::string& key, pid_t pid,
                    const std::vector<oci::IdMapping>& mappings) {
  base::Command command;
  for (const char* directory : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
    if (::access((directory + helper).c_str(), X_OK) != 0) continue;
    command.path = directory + helper;
    break;
  }
  if (command.path.empty()) {
    throw std::runtime_error(key + ": user " + std::to_string(::geteuid()) + " may map nothing but the own id, and " +
                             helper + " is not installed (package uidmap)");
  }
  command.argv = {helper, std::to_string(pid)};
  for (const auto& map : mappings) {
    for (const auto number : {map.container_id, map.host_id, map.size}) command.argv.push_back(std::to_string(number));
  }
  auto result = base::run_command(command);
  if (result.ok()) return;
  while (result.error.ends_with('\n')) result.error.pop_back();
  throw std::runtime_error(key + ": " + helper + ": " + result.status_text() + ": " + result.error);
}

bool maps_only(const std::vector<oci::IdMapping>& mappings, uint32_t id) {
  return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == id;
}

std::string map_text(const std::vector<oci::IdMapping>& mappings) {
  std::string text;
  for (const auto& map : mappings) {
    text +=
        std::to_string(map.container_id) + " " + std::to_string(map.host_id) + " " + std::to_string(map.size) + "\n";
  }
  return text;
}

}  // namespace

NamespacePlan NamespacePlan::from(const oci::Linux& config) {
  NamespacePlan plan;
  for (const auto& ns : config.namespaces) {
    if (!ns.path.empty()) {
      plan.joined.push_back({ns.type, open_namespace(ns), ns.path});
    } else if (ns.type == NamespaceType::kCgroup) {
      plan.new_cgroup = true;
    } else if (ns.type == NamespaceType::kTime) {
      plan.new_time = true;
    } else {
      plan.new_flags |= oci::clone_flag(ns.type);
    }
  }
  return plan;
}

bool NamespacePlan::needs_second_fork() const {
  // unshare(CLONE_NEWPID), used with user namespaces, is for children too.
  const bool unshared_pid = makes(CLONE_NEWPID) && (makes(CLONE_NEWUSER) || joins(NamespaceType::kUser));
  return joins(NamespaceType::kPid) || joins(NamespaceType::kTime) || new_time || unshared_pid;
}

bool NamespacePlan::joins(NamespaceType type) const {
  return std::any_of(joined.begin(), joined.end(), [&](const Joined& entry) { return entry.type == type; });
}

pid_t clone_process(int flags, int into_cgroup, base::Fd& pidfd) {
  int pidfd_number = -1;
  clone_args args{};
  args.flags = static_cast<uint64_t>(static_cast<unsigned>(flags)) | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd_number);
  args.exit_signal = SIGCHLD;
  if (into_cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(into_cgroup);
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) base::throw_errno("clone a process into new namespaces");
  if (pid > 0) pidfd.reset(pidfd_number);
  return static_cast<pid_t>(pid);
}

void enter(const NamespacePlan& plan) {
  const auto join = [](const NamespacePlan::Joined& joined) {
    return ::setns(joined.fd.get(), oci::clone_flag(joined.type));
  };
  const bool changes_user = plan.joins(NamespaceType::kUser);
  std::vector<const NamespacePlan::Joined*> later;
  for (const auto& joined : plan.joined) {
    if (joined.type == NamespaceType::kUser) {
      later.insert(later.begin(), &joined);
    } else if (join(joined) != 0) {
      // What is ours to join only as root of the user namespace that owns it.
      if (errno != EPERM || !changes_user) base::throw_errno("join namespace " + joined.path);
      later.push_back(&joined);
    }
  }
  for (const auto* joined : later) {
    check(join(*joined), "join namespace", joined->path);
    if (joined->type == NamespaceType::kUser) become_namespace_root();
  }
}

void continue_in_sibling(const SyncChannel& sync) {
  clone_args args{};
  args.flags = CLONE_PARENT;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  check(pid, "clone the process that enters the pid namespace");
  if (pid == 0) {
    // The parent must have learnt of us before it hears from us.
    sync.expect(Step::kStart);
    return;
  }
  sync.send(Step::kJoined, std::to_string(pid));
  ::_exit(0);
}

void write_id_maps(pid_t pid, const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids) {
  const std::string proc = "/proc/" + std::to_string(pid);
  const bool privileged = ::geteuid() == 0;
  if (privileged || maps_only(uids, ::geteuid())) {
    base::write_existing(proc + "/uid_map", map_text(uids));
  } else {
    run_map_helper("newuidmap", "linux.uidMappings", pid, uids);
  }
  if (!privileged && !maps_only(gids, ::getegid())) return run_map_helper("newgidmap", "linux.gidMappings", pid, gids);
  // The kernel's condition for those without rights (user_namespaces(7)).
  if (!privileged) base::write_existing(proc + "/setgroups", "deny");
  base::write_existing(proc + "/gid_map", map_text(gids));
}

base::Fd make_user_namespace(const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids) {
  base::Fd pidfd;
  const pid_t parent = ::getpid();
  const pid_t pid = clone_process(CLONE_NEWUSER, -1, pidfd);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(1);
    for (;;) ::pause();
  }
  base::Rollback helper;
  helper.add("end the process that holds the user namespace", [&] {
    ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) < 0 && errno == EINTR) {
    }
  });
  write_id_maps(pid, uids, gids);
  return base::open_file("/proc/" + std::to_string(pid) + "/ns/user", O_RDONLY);
}

void become_namespace_root() {
  check(::setresgid(0, 0, 0), "become group 0 of the user namespace");
  check(::setresuid(0, 0, 0), "become user 0 of the user namespace");
  if (::setgroups(0, nullptr) != 0 && errno != EPERM) base::throw_errno("drop supplementary groups");
}

void make_time_namespace(const oci::Linux& config) {
  check(::unshare(CLONE_NEWTIME), "make a time namespace");
  std::string text;
  for (const auto& [clock, offset] : config.time_offsets) {
    text += clock + " " + std::to_string(offset.secs) + " " + std::to_string(offset.nanosecs) + "\n";
  }
  if (!text.empty()) base::write_existing("/proc/self/timens_offsets", text);
}

void bring_loopback_up() {
  const base::Fd socket(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket"));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  check(::ioctl(socket.get(), SIOCSIFFLAGS, &request), "bring lo up");
}

bool in_initial_user_namespace() {
  constexpr ino_t kInitialUserNamespace = 0xEFFFFFFD;  // PROC_USER_INIT_INO of the kernel's proc_ns.h
  struct stat status {};
  return ::stat("/proc/self/ns/user", &status) != 0 || status.st_ino == kInitialUserNamespace;
}

}  // namespace berth::runtime
