#pragma once

#include <sys/types.h>

#include <vector>

#include "base/fd.h"
#include "oci/config.h"
#include "process/sync.h"

namespace berth::runtime {

/// The namespaces of a container: which are made (clone flags) and which are joined (held open, type checked).
struct NamespacePlan {
  int new_flags = 0;  ///< CLONE_NEW* for clone3; without the cgroup and time namespaces, which come later.
  bool new_cgroup = false;
  bool new_time = false;
  struct Joined {
    oci::NamespaceType type;
    base::Fd fd;
    std::string path;
  };
  std::vector<Joined> joined;

  /// Opens what is to be joined. Throws if a path is no namespace of its type (NS_GET_NSTYPE).
  static NamespacePlan from(const oci::Linux& config);

  /// A joined pid or time namespace holds only for children: one more fork is needed.
  bool needs_second_fork() const;
  bool joins(oci::NamespaceType type) const;
  bool makes(int flag) const { return (new_flags & flag) != 0; }
};

/// clone3 without a stack, like fork. In the child returns 0. `into_cgroup`: -1 or a cgroup v2 directory. `pidfd`
/// receives the child's pidfd in the parent. Throws SystemError.
pid_t clone_process(int flags, int into_cgroup, base::Fd& pidfd);

/// Enters the joined namespaces (in the child): before the user namespace those that we may enter as who we are, after
/// it those that only its root may.
void enter(const NamespacePlan& plan);

/// Goes on in a sibling of this process, which ends: joined pid and new time namespaces hold only for children. The
/// parent reads the sibling's pid with Step::kJoined and answers with Step::kStart.
void continue_in_sibling(const SyncChannel& sync);

/// Writes /proc/PID/uid_map and gid_map.
void write_id_maps(pid_t pid, const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids);

/// A user namespace with these maps and nobody in it, which lives as long as the descriptor.
base::Fd make_user_namespace(const std::vector<oci::IdMapping>& uids, const std::vector<oci::IdMapping>& gids);

/// Becomes root of a new or joined user namespace, with no supplementary groups.
void become_namespace_root();

/// unshare(CLONE_NEWTIME) with the configured offsets; holds for children and at exec.
void make_time_namespace(const oci::Linux& config);

/// Brings lo up in this network namespace.
void bring_loopback_up();

/// Whether this process is in the user namespace that the kernel started with.
bool in_initial_user_namespace();

}  // namespace berth::runtime
