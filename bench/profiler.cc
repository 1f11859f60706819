#include "bench/profiler.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "support/programs.h"

namespace berth::bench {

namespace {

constexpr int kFrequency = 4000;
constexpr std::string_view kAnswer("ack\n\0", 5);
constexpr int kPatience = 200;  // milliseconds between looks whether perf has ended

/// A part of the kernel, and functions of it: the first part that has one on the stack is where the time goes.
struct Part {
  const char* name;
  std::initializer_list<const char*> functions;
};

const Part kParts[] = {
    {"page faults", {"asm_exc_page_fault"}},
    {"rules (nfnetlink)", {"nfnetlink_rcv"}},
    {"links, addresses, routes (rtnetlink)", {"netlink_rcv_skb", "netlink_dump", "devinet_ioctl"}},
    {"namespaces", {"create_new_namespaces", "setns", "unshare"}},
    {"execve", {"execve", "execveat"}},
    {"fork", {"clone", "clone3", "vfork", "ret_from_fork"}},
    {"exit", {"do_exit"}},
    {"cgroups", {"cgroup_mkdir", "cgroup_rmdir", "cgroup_file_write", "__cgroup1_procs_write"}},
    {"mounts",
     {"mount", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "mount_setattr", "pivot_root", "umount"}},
    {"files: open, read, write, close, stat",
     {"openat", "openat2", "read", "write", "close", "newfstatat", "readlink", "mkdir", "mkdirat", "mknodat",
      "symlinkat", "rename", "unlink", "unlinkat", "rmdir", "statx", "getdents64", "pipe2"}},
    {"other system calls", {"do_syscall_64"}},
};

/// "__x64_sys_openat", "__do_sys_openat" and "ksys_openat" are all "openat".
std::string plain(std::string function) {
  for (const char* prefix : {"__x64_sys_", "__do_sys_", "__se_sys_", "ksys_"}) {
    if (function.starts_with(prefix)) return function.substr(std::string(prefix).size());
  }
  return function;
}

bool has_any(const std::vector<std::string>& stack, std::initializer_list<const char*> functions) {
  for (const auto& function : stack) {
    for (const char* one : functions) {
      if (function == one) return true;
    }
  }
  return false;
}

bool is_kernel_thread(const std::string& name) {
  for (const char* start : {"kworker", "ksoftirqd", "rcu_", "kcompactd", "migration", "kdevtmpfs"}) {
    if (name.starts_with(start)) return true;
  }
  return false;
}

std::string part_of(const std::string& process, const std::vector<std::string>& stack) {
  if (is_kernel_thread(process)) return "the kernel's threads";
  for (const auto& part : kParts) {
    if (has_any(stack, part.functions)) return part.name;
  }
  return "its own instructions";
}

bool is_left_out(const std::string& process) {
  return process == "swapper" || process.starts_with("perf") || process == "berth-bench";
}

/// "   name with spaces  1234 " without the number.
std::string name_in(const std::string& line) {
  const auto start = line.find_first_not_of(' ');
  const auto digit = line.find_last_of("0123456789");
  const auto number = line.find_last_not_of("0123456789", digit);
  return line.substr(start, line.find_last_not_of(' ', number) + 1 - start);
}

}  // namespace

bool Profiler::is_there() {
  return !test::system_program("perf").empty();
}

Profiler::Profiler(const std::string& directory) : directory_(directory + "/perf") {
  base::make_directories(directory_, 0755);
  const std::string control = directory_ + "/control";
  const std::string answers = directory_ + "/answers";
  for (const auto& path : {control, answers}) {
    ::unlink(path.c_str());
    base::check(::mkfifo(path.c_str(), 0600), "make", path);
  }
  const std::vector<std::string> words{test::system_program("perf"),
                                       "record",
                                       "-q",
                                       "-a",
                                       "-g",
                                       "-e",
                                       "cpu-clock",
                                       "-F",
                                       std::to_string(kFrequency),
                                       "-D",
                                       "-1",
                                       "--control",
                                       "fifo:" + control + "," + answers,
                                       "-o",
                                       directory_ + "/data"};
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int failure = ::posix_spawn(&perf_, argv[0], nullptr, nullptr, argv.data(), environ);
  if (failure != 0) throw base::SystemError("run " + words[0], failure);
  // Opened for both, so that opening does not wait; reading looks whether perf still runs.
  control_ = base::open_file(control, O_RDWR);
  answers_ = base::open_file(answers, O_RDWR);
}

Profiler::~Profiler() {
  end();
}

void Profiler::end() {
  if (perf_ < 0) return;
  ::kill(perf_, SIGTERM);
  ::waitpid(perf_, nullptr, 0);
  perf_ = -1;
}

void Profiler::tell(const std::string& command) {
  base::write_all(control_.get(), command + "\n", "perf's control");
  std::string answer;
  while (answer.size() < kAnswer.size()) {
    pollfd entry{answers_.get(), POLLIN, 0};
    if (::poll(&entry, 1, kPatience) == 0) {
      if (::waitpid(perf_, nullptr, WNOHANG) == 0) continue;
      perf_ = -1;
      throw std::runtime_error("perf record has ended instead of doing \"" + command + "\"");
    }
    char c = 0;
    base::check(::read(answers_.get(), &c, 1), "read perf's answer");
    answer += c;
  }
  if (answer != kAnswer) throw std::runtime_error("perf record answered \"" + command + "\" with \"" + answer + "\"");
}

void Profiler::during(const std::function<void()>& work) {
  tell("enable");
  work();
  tell("disable");
}

std::map<std::string, double> Profiler::finish() {
  end();
  const auto script = test::must_run({"perf", "script", "-i", directory_ + "/data", "-F", "comm,pid,ip,sym"});
  std::map<std::string, double> found;
  std::istringstream lines(script);
  std::string process;
  std::vector<std::string> stack;
  const auto count = [&] {
    if (!process.empty() && !is_left_out(process)) found[part_of(process, stack)] += 1000.0 / kFrequency;
    process.clear();
    stack.clear();
  };
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t") == std::string::npos) {
      count();
    } else if (line.starts_with('\t')) {
      const auto address = line.find_first_not_of("\t ");
      const auto space = line.find(' ', address);
      if (space != std::string::npos) stack.push_back(plain(line.substr(space + 1)));
    } else {
      process = name_in(line);
    }
  }
  count();
  return found;
}

}  // namespace berth::bench
