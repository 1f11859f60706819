#include "support/killed.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "support/programs.h"

namespace berth::test {

using base::check;

namespace {

/// Only memory, the process itself, or looking at things. A close has no effect that death has not.
bool is_without_effect(uint64_t number) {
  static const std::set<uint64_t> harmless{
      SYS_mmap,
      SYS_munmap,
      SYS_brk,
      SYS_mprotect,
      SYS_madvise,
      SYS_mremap,
      SYS_fstat,
      SYS_newfstatat,
      SYS_statx,
      SYS_lseek,
      SYS_read,
      SYS_pread64,
      SYS_close,
      SYS_getpid,
      SYS_gettid,
      SYS_getppid,
      SYS_getuid,
      SYS_geteuid,
      SYS_getgid,
      SYS_getegid,
      SYS_futex,
      SYS_getdents64,
      SYS_fcntl,
      SYS_getcwd,
      SYS_rt_sigaction,
      SYS_rt_sigprocmask,
      SYS_getrandom,
      SYS_readlinkat,
      SYS_sched_getaffinity,
      SYS_statfs,
      SYS_fstatfs,
      SYS_pidfd_open,
      SYS_epoll_create1,
      SYS_epoll_ctl,
      SYS_eventfd2,
      SYS_pipe2,
      SYS_socketpair,
      SYS_socket,
      SYS_timerfd_create,
      SYS_timerfd_settime,
      SYS_clock_nanosleep,
      SYS_faccessat,
      SYS_prlimit64,
      SYS_set_robust_list,
      SYS_set_tid_address,
      SYS_rseq,
#ifdef SYS_arch_prctl
      SYS_arch_prctl,
      SYS_access,
      SYS_readlink,
      SYS_stat,
      SYS_lstat,
      SYS_poll,
#endif
  };
  return harmless.contains(number);
}

bool has_effect(const __ptrace_syscall_info& call) {
  if (call.entry.nr == SYS_openat) return (call.entry.args[2] & (O_CREAT | O_TRUNC)) != 0;
  return !is_without_effect(call.entry.nr);
}

/// A program that has been started, and what it writes.
class Victim {
 public:
  Victim(const Program& program, bool traced) : output_(::memfd_create("output", MFD_CLOEXEC)) {
    std::vector<char*> words;
    for (const auto& word : program.argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const base::Fd input(::memfd_create("input", MFD_CLOEXEC));
    base::write_all(input.get(), program.input, "the program's input");
    ::lseek(input.get(), 0, SEEK_SET);
    pid_ = check(::fork(), "fork");
    if (pid_ == 0) {
      for (const auto& [name, value] : program.env) ::setenv(name.c_str(), value.c_str(), 1);
      ::dup2(input.get(), 0);
      for (const int fd : {1, 2}) ::dup2(output_.get(), fd);
      if (traced) ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::execv(words[0], words.data());
      ::_exit(127);
    }
  }

  pid_t pid() const { return pid_; }

  /// Waits until it stops or ends; false: it has ended.
  bool stops() {
    check(::waitpid(pid_, &status_, 0), "wait for the program");
    return WIFSTOPPED(status_);
  }
  int stop_signal() const { return WSTOPSIG(status_); }

  Killed kill(const std::string& at) {
    ::kill(pid_, SIGKILL);
    while (stops()) {
    }
    return {WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL, at, output(), exit_status()};
  }

  Killed interrupt(const std::string& at) {
    ::kill(pid_, SIGTERM);
    check(::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr), "let it go");
    while (stops()) {
    }
    return {true, at, output(), exit_status()};
  }

  /// It has ended by itself.
  Killed alive() const { return {false, "", output(), exit_status()}; }

  std::string output() const {
    ::lseek(output_.get(), 0, SEEK_SET);
    return base::read_all(output_.get(), "the program's output");
  }

 private:
  std::optional<int> exit_status() const {
    return WIFEXITED(status_) ? std::optional(WEXITSTATUS(status_)) : std::nullopt;
  }

  base::Fd output_;
  pid_t pid_ = -1;
  int status_ = 0;
};

constexpr int kSyscallStop = SIGTRAP | 0x80;  // with PTRACE_O_TRACESYSGOOD

/// What happens to it at such a point.
using End = Killed (Victim::*)(const std::string& at);

/// Runs the program up to its `nth` system call (from 1) that has an effect.
Killed end_before_effect(const Program& program, int nth, End end) {
  Victim victim(program, true);
  int count = 0;
  bool prepared = false;
  while (victim.stops()) {
    if (!prepared) {
      check(::ptrace(PTRACE_SETOPTIONS, victim.pid(), nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), "trace");
      prepared = true;
    }
    int signal = 0;
    if (victim.stop_signal() == kSyscallStop) {
      __ptrace_syscall_info call{};
      check(::ptrace(PTRACE_GET_SYSCALL_INFO, victim.pid(), sizeof call, &call), "look at a system call");
      const bool counts = call.op == PTRACE_SYSCALL_INFO_ENTRY && has_effect(call);
      if (counts && ++count == nth)
        return (victim.*end)("before effect " + std::to_string(nth) + ", system call " + std::to_string(call.entry.nr));
    } else if (victim.stop_signal() != SIGTRAP) {
      signal = victim.stop_signal();
    }
    check(::ptrace(PTRACE_SYSCALL, victim.pid(), nullptr, signal), "go on");
  }
  return victim.alive();
}

int end_everywhere(const Program& program, End end, const std::function<void(const Killed&)>& check,
                   const std::function<void()>& prepare) {
  for (int nth = 1;; ++nth) {
    prepare();
    const auto killed = end_before_effect(program, nth, end);
    check(killed);
    if (!killed.killed || ::testing::Test::HasFailure()) return nth - 1;
  }
}

}  // namespace

Program plugin_program(const std::string& path, std::map<std::string, std::string> env, const std::string& config) {
  Program program({path});
  program.env = std::move(env);
  program.env.try_emplace("CNI_PATH", built_directory());
  program.input = config;
  return program;
}

int kill_everywhere(const Program& program, const std::function<void(const Killed&)>& check,
                    const std::function<void()>& prepare) {
  return end_everywhere(program, &Victim::kill, check, prepare);
}

int interrupt_everywhere(const Program& program, const std::function<void(const Killed&)>& check) {
  return end_everywhere(program, &Victim::interrupt, check, [] {});
}

Killed kill_after(const Program& program, std::chrono::microseconds time) {
  Victim victim(program, false);
  const timespec span{time.count() / 1'000'000, time.count() % 1'000'000 * 1000};
  ::nanosleep(&span, nullptr);
  return victim.kill("after " + std::to_string(time.count()) + " us");
}

}  // namespace berth::test
