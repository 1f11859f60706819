#pragma once

#include <linux/filter.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "oci/seccomp.h"

namespace berth::runtime {

/// A profile on its way into the kernel. Compiling it takes longer than most of what a runtime does, so that one
/// process compiles while another, which will load the program, sets itself up.
class SeccompFilter {
 public:
  /// Asks the kernel whether it knows the flags. Throws std::runtime_error naming the key. Refers to the profile.
  explicit SeccompFilter(const oci::Seccomp& profile);

  /// The program, for another process to take. Throws std::runtime_error naming the key.
  std::string compile() const;
  /// What `compile` returned.
  void take_program(const std::string& program);

  /// Filters the calling thread from now on, through one system call. Needs no_new_privs or CAP_SYS_ADMIN. Returns the
  /// listener if the profile has notifications, else nothing. Throws SystemError.
  base::Fd load() const;

  bool notifies() const { return notifies_; }

 private:
  const oci::Seccomp& profile_;
  std::vector<sock_filter> program_;
  unsigned flags_ = 0;
  bool notifies_ = false;
};

/// The filter of a profile; nothing without one.
std::optional<SeccompFilter> make_seccomp_filter(const std::optional<oci::Seccomp>& profile);

/// True if this kernel takes the flag.
bool kernel_knows(oci::SeccompFlag flag);

}  // namespace berth::runtime
