#pragma once

#include <linux/filter.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "oci/seccomp.h"

namespace berth::runtime {

/// A profile, ready to be loaded.
class SeccompFilter {
 public:
  /// Compiles the profile and asks the kernel whether it knows the flags. Throws std::runtime_error naming the key.
  explicit SeccompFilter(const oci::Seccomp& profile);

  /// Filters the calling thread from now on, through one system call. Needs no_new_privs or CAP_SYS_ADMIN. Returns the
  /// listener if the profile has notifications, else nothing. Throws SystemError.
  base::Fd load() const;

  bool notifies() const { return notifies_; }

 private:
  std::vector<sock_filter> program_;
  unsigned flags_ = 0;
  bool notifies_ = false;
};

/// The filter of a profile; nothing without one.
std::optional<SeccompFilter> make_seccomp_filter(const std::optional<oci::Seccomp>& profile);

/// True if this kernel takes the flag.
bool kernel_knows(oci::SeccompFlag flag);

}  // namespace berth::runtime
