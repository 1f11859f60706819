// The first thing that the program does, before the C library is there: what protect_own_executable (self_exe.h) does
// in the usual case. Executing ourselves from a read-only mount starts the program twice, and a third of what a start
// costs is the C library's; this way it is paid once. Where anything is unusual, nothing happens here, and
// protect_own_executable decides.
//
// Nothing of the C library can be called: no memory function, no errno, no thread-local variable.
#include "security/early_start.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <climits>

#include "base/system_call.h"

namespace berth::runtime {

namespace {

using base::system_call;

constexpr const char kExecutable[] = "/proc/self/exe";

long address(const void* pointer) {
  return reinterpret_cast<long>(pointer);
}

/// Whether text is the word, or goes on behind it with the given character.
bool is_word(const char* text, const char* word, char end = '\0') {
  while (*word != '\0' && *text == *word) ++text, ++word;
  return *word == '\0' && *text == end;
}

/// Whether a container may be entered. A word that is the argument of another command costs a start, no more.
bool may_enter_container(char** argv) {
  for (char** word = argv + 1; *word != nullptr; ++word) {
    for (const auto& command : kEntersContainer) {
      if (is_word(*word, command)) return true;
    }
  }
  return false;
}

bool is_read_only() {
  struct statfs info;
  return system_call(SYS_statfs, address(kExecutable), address(&info)) != 0 || (info.f_flags & MS_RDONLY) != 0;
}

long read_only_copy() {
  const long copy = system_call(SYS_open_tree, AT_FDCWD, address(kExecutable),
                                OPEN_TREE_CLONE | static_cast<long>(OPEN_TREE_CLOEXEC));
  if (copy < 0) return copy;
  mount_attr attributes;
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  attributes.attr_clr = 0;
  attributes.propagation = 0;
  attributes.userns_fd = 0;
  const long set =
      system_call(SYS_mount_setattr, copy, address(""), AT_EMPTY_PATH, address(&attributes), sizeof attributes);
  if (set == 0) return copy;
  system_call(SYS_close, copy);
  return set;
}

/// NAME=path of the executable, in `text`.
bool name_executable(char (&text)[sizeof kPathVariable + PATH_MAX]) {
  char* end = text;
  for (const char* c = kPathVariable; *c != '\0'; ++c) *end++ = *c;
  *end++ = '=';
  const long size = system_call(SYS_readlink, address(kExecutable), address(end), PATH_MAX - 1);
  if (size <= 0) return false;
  end[size] = '\0';
  return true;
}

}  // namespace

/// `stack` is what the kernel hands over: argc, argv, null, the environment, null.
extern "C" __attribute__((visibility("hidden"), used)) void berth_protect_early(char** stack) {
  char** const argv = stack + 1;
  if (stack[0] == nullptr || !may_enter_container(argv) || is_read_only()) return;

  constexpr int kMost = 1024;
  char* environment[kMost + 2];
  char path[sizeof kPathVariable + PATH_MAX];
  char** const given = argv + reinterpret_cast<long>(stack[0]) + 1;
  int size = 0;
  for (char** variable = given; *variable != nullptr; ++variable) {
    if (size == kMost) return;
    if (!is_word(*variable, kPathVariable, '=')) environment[size++] = *variable;
  }
  if (!name_executable(path)) return;
  environment[size++] = path;
  environment[size] = nullptr;

  const long copy = read_only_copy();
  if (copy < 0) return;
  system_call(SYS_execveat, copy, address(""), address(argv), address(environment), AT_EMPTY_PATH);
  system_call(SYS_close, copy);
}

// The kernel zeroes the registers; the stack stays as it is for the C library.
asm(R"(
  .pushsection .text
  .globl berth_start
  .type berth_start, @function
berth_start:
  xor %ebp, %ebp
  mov %rsp, %rdi
  call berth_protect_early
  xor %edx, %edx
  jmp _start
  .size berth_start, . - berth_start
  .popsection
)");

}  // namespace berth::runtime
