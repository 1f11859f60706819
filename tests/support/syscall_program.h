#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace berth::test {

/// A tiny static x86_64 program that makes one system call and exits: nothing else of it meets a seccomp filter.
struct SyscallProgram {
  uint32_t number = 0;
  std::array<uint64_t, 3> arguments{};
  bool by_interrupt = false;  ///< As i386 does: int 0x80.

  /// Writes it as an executable. Its exit status is the error number of the call, or 0.
  void write(const std::string& path) const;
};

}  // namespace berth::test
