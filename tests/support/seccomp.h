#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "oci/seccomp.h"

namespace berth::test {

/// What the kernel would do with a system call under a filter: runs a classic BPF program. A program that the kernel
/// would not take (a jump behind its end, an unknown instruction) is a std::runtime_error.
uint32_t run_filter(const std::vector<sock_filter>& program, const seccomp_data& call);

/// The filter that runc would have libseccomp make of the profile, without runc's own part for new system calls.
std::vector<sock_filter> filter_of_libseccomp(const oci::Seccomp& profile);

/// A `linux.seccomp` object, parsed.
oci::Seccomp parse_seccomp(const base::Json& seccomp);

/// Podman's default profile as Podman writes it to config.json for its default capabilities on this machine's
/// architecture family (x86_64, x86, x32), or null if golang-github-containers-common is not installed.
base::Json podman_profile();

/// A profile of the shape of Docker's: EPERM unless listed, clone and personality by argument, new clone3 as ENOSYS.
base::Json docker_profile();

}  // namespace berth::test
