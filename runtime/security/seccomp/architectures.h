#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace berth::runtime {

/// An instruction set (with its calling convention) as seccomp sees it.
struct Architecture {
  const char* name;   ///< "SCMP_ARCH_X86_64"
  uint32_t token;     ///< libseccomp's name for it.
  uint32_t audit;     ///< AUDIT_ARCH_*, what seccomp_data.arch holds. x32 has that of x86_64.
  bool is_64_bit;     ///< Arguments are compared in full, else their lower halves.
  bool shares_calls;  ///< Sockets and System V IPC have (also) one system call for many: socketcall, ipc.
};

/// The one with this name, or nullptr.
const Architecture* find_architecture(std::string_view name);

/// The one this program was built for.
const Architecture& native_architecture();

/// Those of a filter: the native one, then the named ones without repetition. Throws std::runtime_error for one whose
/// byte order is not this machine's.
std::vector<const Architecture*> architectures_of(const std::vector<std::string>& names);

inline constexpr uint32_t kX32Bit = 0x40000000;  ///< Set in every x32 system call's number.

}  // namespace berth::runtime
