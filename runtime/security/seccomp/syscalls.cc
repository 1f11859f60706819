#include "security/seccomp/syscalls.h"

#include <seccomp.h>

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace berth::runtime {

namespace {

/// libseccomp names calls that are shared by negative numbers: -100 - SYS_SOCKET …, -200 - SEMOP ….
constexpr int kSockets = -100;
constexpr int kIpc = -200;
constexpr int kEnd = -300;

/// Where system calls that could once be reached only through others later got numbers of their own.
std::vector<std::pair<int, int>> ranges_of_own_numbers(const Architecture& architecture) {
  switch (architecture.token) {
    case SCMP_ARCH_X86:
    case SCMP_ARCH_S390:
    case SCMP_ARCH_S390X:
      return {{337, 345}, {357, 373}, {392, 402}};
    case SCMP_ARCH_MIPS:
    case SCMP_ARCH_MIPSEL:
      return {{4168, 4184}, {4334, 4343}, {4392, 4402}};
    default:
      return {{326, 349}, {392, 402}};  // PowerPC
  }
}

}  // namespace

int SyscallTable::number_of(const char* name) const {
  return ::seccomp_syscall_resolve_name_arch(architecture_.token, name);
}

std::optional<uint32_t> SyscallTable::find_own_number(const std::string& name) {
  if (own_numbers_.empty()) {
    for (const auto& [first, last] : ranges_of_own_numbers(architecture_)) {
      for (int number = first; number <= last; ++number) {
        const std::unique_ptr<char, void (*)(void*)> found(
            ::seccomp_syscall_resolve_num_arch(architecture_.token, number), std::free);
        if (found) own_numbers_.emplace(found.get(), number);
      }
    }
  }
  const auto found = own_numbers_.find(name);
  return found == own_numbers_.end() ? std::nullopt : std::optional(found->second);
}

SyscallNumbers SyscallTable::find(const std::string& name) {
  const int number = number_of(name.c_str());
  if (number >= 0) return {static_cast<uint32_t>(number), std::nullopt};
  if (!architecture_.shares_calls || number > kSockets || number <= kEnd) return {};
  const bool is_socket = number > kIpc;
  const int shared = number_of(is_socket ? "socketcall" : "ipc");
  SyscallNumbers numbers;
  numbers.own = find_own_number(name);
  if (shared >= 0) {
    const int argument = (is_socket ? kSockets : kIpc) - number;
    numbers.shared = {static_cast<uint32_t>(shared), static_cast<uint32_t>(argument)};
  }
  return numbers;
}

}  // namespace berth::runtime
