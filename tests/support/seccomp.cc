#include "support/seccomp.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "oci/config.h"

namespace berth::test {

using base::Json;

namespace {

constexpr const char* kPodmanProfile = "/usr/share/containers/seccomp.json";

const std::set<std::string> kPodmanCapabilities = {"CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",    "CAP_FSETID",
                                                   "CAP_KILL",    "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",   "CAP_SETGID",
                                                   "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT"};

scmp_compare libseccomp_operator(oci::SeccompOperator op) {
  switch (op) {
    case oci::SeccompOperator::kNotEqual:
      return SCMP_CMP_NE;
    case oci::SeccompOperator::kLess:
      return SCMP_CMP_LT;
    case oci::SeccompOperator::kLessOrEqual:
      return SCMP_CMP_LE;
    case oci::SeccompOperator::kEqual:
      return SCMP_CMP_EQ;
    case oci::SeccompOperator::kGreaterOrEqual:
      return SCMP_CMP_GE;
    case oci::SeccompOperator::kGreater:
      return SCMP_CMP_GT;
    default:
      return SCMP_CMP_MASKED_EQ;
  }
}

uint32_t libseccomp_action(const oci::SeccompVerdict& verdict) {
  switch (verdict.action) {
    case oci::SeccompAction::kKillThread:
      return SCMP_ACT_KILL_THREAD;
    case oci::SeccompAction::kKillProcess:
      return SCMP_ACT_KILL_PROCESS;
    case oci::SeccompAction::kTrap:
      return SCMP_ACT_TRAP;
    case oci::SeccompAction::kErrno:
      return SCMP_ACT_ERRNO(verdict.data);
    case oci::SeccompAction::kNotify:
      return SCMP_ACT_NOTIFY;
    case oci::SeccompAction::kTrace:
      return SCMP_ACT_TRACE(verdict.data);
    case oci::SeccompAction::kLog:
      return SCMP_ACT_LOG;
    default:
      return SCMP_ACT_ALLOW;
  }
}

void must(int result, const std::string& what) {
  if (result < 0) throw base::SystemError("libseccomp: " + what, -result);
}

void add_rule(scmp_filter_ctx context, const oci::SeccompRule& rule, const std::string& name) {
  const int number = ::seccomp_syscall_resolve_name(name.c_str());
  if (number == __NR_SCMP_ERROR) return;
  std::vector<scmp_arg_cmp> comparisons;
  std::set<unsigned> indexes;
  for (const auto& condition : rule.conditions) {
    comparisons.push_back({condition.index, libseccomp_operator(condition.op), condition.value, condition.value_two});
    indexes.insert(condition.index);
  }
  const auto action = libseccomp_action(rule.verdict);
  if (indexes.size() == comparisons.size()) {
    const auto count = static_cast<unsigned>(comparisons.size());
    return must(::seccomp_rule_add_array(context, action, number, count, comparisons.data()), name);
  }
  for (const auto& comparison : comparisons) {
    must(::seccomp_rule_add_array(context, action, number, 1, &comparison), name);
  }
}

bool applies(const Json& entry) {
  const auto meets = [](const Json& wanted) {
    if (wanted.contains("arches")) {
      const auto arches = wanted["arches"].get<std::vector<std::string>>();
      if (std::find(arches.begin(), arches.end(), "amd64") == arches.end()) return false;
    }
    for (const auto& capability : wanted.value("caps", Json::array())) {
      if (!kPodmanCapabilities.contains(capability.get<std::string>())) return false;
    }
    return true;
  };
  const auto includes = entry.value("includes", Json::object());
  const auto excludes = entry.value("excludes", Json::object());
  return (includes.empty() || meets(includes)) && (excludes.empty() || !meets(excludes));
}

Json rule(const std::vector<std::string>& names, const char* action) {
  return {{"names", names}, {"action", action}};
}

Json comparison(unsigned index, const char* op, uint64_t value, uint64_t value_two = 0) {
  return {{"index", index}, {"value", value}, {"valueTwo", value_two}, {"op", op}};
}

}  // namespace

uint32_t run_filter(const std::vector<sock_filter>& program, const seccomp_data& call) {
  uint32_t accumulator = 0;
  for (size_t next = 0; next < program.size();) {
    const auto& [code, yes, no, k] = program[next++];
    switch (code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (k + sizeof accumulator > sizeof call || k % sizeof accumulator != 0) throw std::runtime_error("bad load");
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + k, sizeof accumulator);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= k;
        break;
      case BPF_JMP | BPF_JA:
        next += k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        next += accumulator == k ? yes : no;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        next += accumulator > k ? yes : no;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        next += accumulator >= k ? yes : no;
        break;
      case BPF_RET | BPF_K:
        return k;
      default:
        throw std::runtime_error("instruction " + std::to_string(code));
    }
  }
  throw std::runtime_error("the filter does not end");
}

std::vector<sock_filter> filter_of_libseccomp(const oci::Seccomp& profile) {
  const std::unique_ptr<void, void (*)(void*)> context(::seccomp_init(libseccomp_action(profile.default_verdict)),
                                                       ::seccomp_release);
  for (const auto& name : profile.architectures) {
    auto lower = name.substr(std::strlen("SCMP_ARCH_"));
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return static_cast<char>(std::tolower(c)); });
    const int result = ::seccomp_arch_add(context.get(), ::seccomp_arch_resolve_name(lower.c_str()));
    if (result != -EEXIST) must(result, name);
  }
  for (const auto& each : profile.rules) {
    if (each.verdict == profile.default_verdict) continue;
    for (const auto& name : each.names) add_rule(context.get(), each, name);
  }
  const base::Fd file(base::check(::memfd_create("filter", MFD_CLOEXEC), "memfd_create"));
  must(::seccomp_export_bpf(context.get(), file.get()), "export");
  ::lseek(file.get(), 0, SEEK_SET);
  const auto bytes = base::read_all(file.get(), "filter");
  std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), bytes.size());
  return program;
}

oci::Seccomp parse_seccomp(const Json& seccomp) {
  auto spec = Json::parse(oci::default_spec(false));
  spec["linux"]["seccomp"] = seccomp;
  return *oci::Config::parse(spec.dump(), "/bundle", "config.json").linux_.seccomp;
}

Json podman_profile() {
  if (::access(kPodmanProfile, R_OK) != 0) return nullptr;
  const auto profile = Json::parse(base::read_file(kPodmanProfile));
  Json result{{"defaultAction", profile["defaultAction"]},
              {"defaultErrnoRet", profile["defaultErrnoRet"]},
              {"architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
              {"syscalls", Json::array()}};
  for (const auto& entry : profile["syscalls"]) {
    if (!applies(entry)) continue;
    auto converted = rule(entry["names"].get<std::vector<std::string>>(), "");
    converted["action"] = entry["action"];
    if (entry.contains("errnoRet")) converted["errnoRet"] = entry["errnoRet"];
    if (entry["args"].is_array() && !entry["args"].empty()) converted["args"] = entry["args"];
    result["syscalls"].push_back(std::move(converted));
  }
  return result;
}

Json docker_profile() {
  auto allowed = rule({"accept",
                       "accept4",
                       "access",
                       "arch_prctl",
                       "bind",
                       "brk",
                       "chdir",
                       "chmod",
                       "chown",
                       "clock_gettime",
                       "clock_gettime64",
                       "close",
                       "close_range",
                       "connect",
                       "dup",
                       "dup2",
                       "dup3",
                       "epoll_create1",
                       "epoll_ctl",
                       "epoll_pwait",
                       "epoll_pwait2",
                       "eventfd2",
                       "execve",
                       "execveat",
                       "exit",
                       "exit_group",
                       "faccessat",
                       "faccessat2",
                       "fchdir",
                       "fchmod",
                       "fchown",
                       "fchown32",
                       "fcntl",
                       "fcntl64",
                       "fork",
                       "fstat",
                       "fstat64",
                       "fstatat64",
                       "fsync",
                       "ftruncate",
                       "futex",
                       "futex_time64",
                       "getcwd",
                       "getdents64",
                       "getegid",
                       "geteuid",
                       "getgid",
                       "getpid",
                       "getppid",
                       "getrandom",
                       "getsockname",
                       "getsockopt",
                       "gettid",
                       "getuid",
                       "ioctl",
                       "ipc",
                       "kill",
                       "landlock_restrict_self",
                       "listen",
                       "lseek",
                       "_llseek",
                       "madvise",
                       "membarrier",
                       "mkdir",
                       "mkdirat",
                       "mmap",
                       "mmap2",
                       "mprotect",
                       "mremap",
                       "msgget",
                       "munmap",
                       "nanosleep",
                       "newfstatat",
                       "_newselect",
                       "open",
                       "openat",
                       "openat2",
                       "pipe",
                       "pipe2",
                       "poll",
                       "ppoll",
                       "prctl",
                       "pread64",
                       "prlimit64",
                       "pselect6",
                       "pwrite64",
                       "read",
                       "readlink",
                       "readlinkat",
                       "readv",
                       "recv",
                       "recvfrom",
                       "recvmsg",
                       "rename",
                       "renameat2",
                       "rseq",
                       "rt_sigaction",
                       "rt_sigprocmask",
                       "rt_sigreturn",
                       "sched_getaffinity",
                       "sched_yield",
                       "select",
                       "semctl",
                       "semget",
                       "semop",
                       "semtimedop",
                       "send",
                       "sendfile",
                       "sendmsg",
                       "sendto",
                       "set_robust_list",
                       "set_thread_area",
                       "set_tid_address",
                       "setgid",
                       "setgroups",
                       "setpgid",
                       "setsid",
                       "setsockopt",
                       "setuid",
                       "shmat",
                       "shmctl",
                       "shmdt",
                       "shmget",
                       "shutdown",
                       "sigaltstack",
                       "sigreturn",
                       "socketpair",
                       "stat",
                       "stat64",
                       "statx",
                       "sysinfo",
                       "tgkill",
                       "time",
                       "times",
                       "umask",
                       "uname",
                       "unlink",
                       "unlinkat",
                       "utimensat",
                       "vfork",
                       "wait4",
                       "waitid",
                       "waitpid",
                       "write",
                       "writev",
                       "no_such_call"},
                      "SCMP_ACT_ALLOW");
  Json syscalls = Json::array({std::move(allowed)});
  for (const uint64_t persona : {0x0ULL, 0x8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL}) {
    auto entry = rule({"personality"}, "SCMP_ACT_ALLOW");
    entry["args"] = Json::array({comparison(0, "SCMP_CMP_EQ", persona)});
    syscalls.push_back(std::move(entry));
  }
  auto socket = rule({"socket"}, "SCMP_ACT_ALLOW");
  socket["args"] = Json::array({comparison(0, "SCMP_CMP_NE", 40)});
  auto clone = rule({"clone"}, "SCMP_ACT_ALLOW");
  clone["args"] = Json::array({comparison(0, "SCMP_CMP_MASKED_EQ", 0x7e020000, 0)});
  auto clone3 = rule({"clone3"}, "SCMP_ACT_ERRNO");
  clone3["errnoRet"] = ENOSYS;
  for (auto* each : {&socket, &clone, &clone3}) syscalls.push_back(std::move(*each));
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"defaultErrnoRet", 1},
          {"architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
          {"syscalls", std::move(syscalls)}};
}

}  // namespace berth::test
