#pragma once

namespace berth::test {

/// Whether the programs are of the preset asan: they make system calls of their own, and need more memory and time.
constexpr bool are_sanitized() {
#ifdef __SANITIZE_ADDRESS__
  return true;
#else
  return false;
#endif
}

}  // namespace berth::test
