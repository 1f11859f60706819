#pragma once

#include <sys/syscall.h>
#include <unistd.h>

/// System calls without a C library, where we know how to make them (BERTH_FREESTANDING); elsewhere with one.
namespace berth::base {

#if defined(__x86_64__)

#define BERTH_FREESTANDING 1

/// What the kernel answers: a negative errno if it refuses.
inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  register long fourth asm("r10") = d;
  register long fifth asm("r8") = e;
  long result = 0;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
               : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

#define BERTH_FREESTANDING 1

inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  register long call asm("x8") = number;
  register long first asm("x0") = a;
  register long second asm("x1") = b;
  register long third asm("x2") = c;
  register long fourth asm("x3") = d;
  register long fifth asm("x4") = e;
  asm volatile("svc 0" : "+r"(first) : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth) : "memory");
  return first;
}

#else

inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  return ::syscall(number, a, b, c, d, e);
}

#endif

}  // namespace berth::base
