#pragma once

#include <string>

#include "base/fd.h"
#include "oci/config.h"

/// Labels of Linux security modules: AppArmor profiles and SELinux contexts (oci-runtime.md 2.2).
namespace berth::runtime {

/// Whether the kernel enforces them. AppArmor: its module parameter; SELinux: selinuxfs is mounted and a policy loaded.
bool has_apparmor();
bool has_selinux();

/// Throws std::runtime_error with runc's text if a process asks for a label of a module that is off, or if
/// `mount_label` does.
void require_lsm(const oci::Process& process, const std::string& mount_label = {});

/// True if set_exec_labels has something to do: it needs a trusted /proc.
bool has_exec_labels(const oci::Process& process);

/// What the calling thread's next execve runs under. `proc`: open_trusted_proc, however hostile /proc has become
/// since (CVE-2019-16884, CVE-2025-52881). The kernel's answer is read back. Throws naming the key.
void set_exec_labels(const base::Fd& proc, const oci::Process& process);

/// The SELinux label of keys that the calling thread makes; empty: the kernel's choice.
void set_key_label(const base::Fd& proc, const std::string& label);

}  // namespace berth::runtime
