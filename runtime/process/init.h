#pragma once

#include <string>

#include "base/fd.h"
#include "cgroups/cgroup.h"
#include "oci/config.h"
#include "oci/state.h"
#include "process/inherited_fds.h"
#include "process/namespaces.h"
#include "process/sync.h"
#include "rootfs/mounts.h"
#include "security/seccomp/filter.h"

namespace berth::runtime {

/// What the parent prepared for the container's init process; the child reads it copy-on-write.
struct InitContext {
  const oci::Config& config;
  const NamespacePlan& namespaces;
  Mounts& mounts;
  SyncChannel& sync;       ///< The child's end.
  base::Fd& fifo;          ///< exec.fifo, open for reading and writing: a byte in it means start.
  base::Fd console;        ///< Where the pty's master goes; empty: no terminal.
  SeccompFilter* seccomp;  ///< Or nullptr. The program is still to come.
  oci::State state;        ///< For the hooks that run in the container; pid is filled in by the child.
  bool no_pivot = false;
  bool no_new_keyring = false;
  InheritedFds inherited;
  Cgroup* cgroup = nullptr;  ///< To be entered at the start, or nullptr.
};

/// The flags for clone3. The network namespace, which takes the kernel longest, the child makes itself, while the
/// parent makes the cgroups; and where a user namespace or a second process is involved the others, too, in the right
/// order.
int clone_flags_of(const NamespacePlan& namespaces);

/// The child after clone3: enters and makes namespaces, builds the root file system, drops privileges, waits for start,
/// and becomes the container's program. Failures go to the parent over the channel, after the parent has gone to
/// stderr.
[[noreturn]] void run_init(InitContext& context);

}  // namespace berth::runtime
