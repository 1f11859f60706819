#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "oci/config.h"

namespace berth::runtime {

/// The last steps before a container's process is executed, the same for its first process and for `exec`. All run in
/// the container's root and namespaces.

/// Changes to the working directory, as root; makes it if it is missing and `make`. Then checks that it is inside the
/// root (CVE-2024-21626). Returns false if it can be tried again as the container's user.
bool enter_directory(const std::string& cwd, bool make);

/// Joins the session keyring _ses.ID of the container, made with this SELinux label if there is none yet; kernels
/// without keys are fine. `proc`: open_trusted_proc, needed for a label only.
void join_session_keyring(const std::string& container_id, const std::string& label, const base::Fd& proc);

/// Drops to what `process` says: no_new_privs, bounding set, groups, user, umask, capabilities. Standard streams that
/// are pipes or terminals are handed to the user, so that /dev/stderr can be opened again.
/// `keep_administration`: as for set_capabilities.
void become(const oci::Process& process, bool keep_administration);

/// The environment with `more`, and HOME from /etc/passwd if it is missing; the last of several entries of one name
/// wins.
std::vector<std::string> complete_environment(const oci::Process& process, const std::vector<std::string>& more = {});

/// Marks all descriptors from `first` on close-on-exec.
void close_on_exec_from(int first);

/// execve. Returns only by throwing: `exec PATH: no such file or directory (the interpreter … is missing)`.
[[noreturn]] void execute(const std::string& program, const std::vector<std::string>& args,
                          const std::vector<std::string>& env);

}  // namespace berth::runtime
