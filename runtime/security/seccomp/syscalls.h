#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "security/seccomp/architectures.h"

namespace berth::runtime {

/// The ways in which one system call reaches the kernel on one architecture; none if it does not exist there. Usually
/// it has a number of its own; on some architectures it is (also) a value of the first argument of socketcall or ipc.
struct SyscallNumbers {
  struct Shared {
    uint32_t number = 0;          ///< Of socketcall or ipc.
    uint32_t first_argument = 0;  ///< SYS_SOCKET, SEMOP, …
  };
  std::optional<uint32_t> own;
  std::optional<Shared> shared;
};

/// The system calls of one architecture by name, from libseccomp's tables.
class SyscallTable {
 public:
  explicit SyscallTable(const Architecture& architecture) : architecture_(architecture) {}

  SyscallNumbers find(const std::string& name);

 private:
  int number_of(const char* name) const;
  std::optional<uint32_t> find_own_number(const std::string& name);

  const Architecture& architecture_;
  std::map<std::string, uint32_t> own_numbers_;  ///< Of shared calls; filled when the first is asked for.
};

}  // namespace berth::runtime
