#include "security/seccomp/filter.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/error.h"
#include "security/seccomp/compiler.h"

namespace berth::runtime {

namespace {

// Linux 5.19; not in the headers of Debian 12's oldest kernel.
constexpr unsigned kWaitKillableReceive = 1U << 5;

unsigned kernel_flag(oci::SeccompFlag flag) {
  switch (flag) {
    case oci::SeccompFlag::kTsync:
      return SECCOMP_FILTER_FLAG_TSYNC;
    case oci::SeccompFlag::kLog:
      return SECCOMP_FILTER_FLAG_LOG;
    case oci::SeccompFlag::kSpecAllow:
      return SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    case oci::SeccompFlag::kWaitKillableReceive:
      break;
  }
  return kWaitKillableReceive;
}

bool has_notifications(const oci::Seccomp& profile) {
  return std::any_of(profile.rules.begin(), profile.rules.end(),
                     [](const auto& rule) { return rule.verdict.action == oci::SeccompAction::kNotify; });
}

unsigned flags_of(const oci::Seccomp& profile, bool notifies) {
  // Like runc: what is not said is what costs programs the least.
  if (!profile.flags) return kernel_knows(oci::SeccompFlag::kSpecAllow) ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0;
  unsigned flags = 0;
  for (const auto flag : *profile.flags) {
    if (!kernel_knows(flag)) {
      throw std::runtime_error(std::string("linux.seccomp.flags: this kernel does not know ") +
                               oci::seccomp_flag_name(flag));
    }
    // There is one thread, which the filter is for anyway.
    if (flag == oci::SeccompFlag::kTsync) continue;
    // Says how a listener waits, and is an error without one.
    if (flag == oci::SeccompFlag::kWaitKillableReceive && !notifies) continue;
    flags |= kernel_flag(flag);
  }
  return flags;
}

}  // namespace

bool kernel_knows(oci::SeccompFlag flag) {
  unsigned flags = kernel_flag(flag);
  if (flag == oci::SeccompFlag::kWaitKillableReceive) flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  // Flags are looked at before the missing program is (EFAULT).
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) < 0 && errno == EFAULT;
}

SeccompFilter::SeccompFilter(const oci::Seccomp& profile) : profile_(profile), notifies_(has_notifications(profile)) {
  flags_ = flags_of(profile, notifies_);
  if (notifies_) flags_ |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

std::string SeccompFilter::compile() const {
  const auto program = compile_seccomp(profile_);
  return {reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter)};
}

void SeccompFilter::take_program(const std::string& program) {
  program_.resize(program.size() / sizeof(sock_filter));
  std::memcpy(program_.data(), program.data(), program_.size() * sizeof(sock_filter));
}

base::Fd SeccompFilter::load() const {
  const sock_fprog program{static_cast<unsigned short>(program_.size()), const_cast<sock_filter*>(program_.data())};
  const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags_, &program);
  base::check(result, "load the seccomp filter (linux.seccomp)");
  return notifies_ ? base::Fd(static_cast<int>(result)) : base::Fd();
}

std::optional<SeccompFilter> make_seccomp_filter(const std::optional<oci::Seccomp>& profile) {
  if (!profile) return std::nullopt;
  return SeccompFilter(*profile);
}

}  // namespace berth::runtime
