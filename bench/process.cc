#include "bench/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "support/programs.h"

namespace berth::bench {

namespace {

base::Fd memory_file(const char* name) {
  return base::Fd(base::check(::memfd_create(name, MFD_CLOEXEC), "make a memory file"));
}

std::string text_of(const base::Fd& file) {
  std::string text(static_cast<size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return text;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  for (const auto& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

double milliseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

struct Ended {
  Cost cost;
  int status = 0;
};

Ended run(const Program& program, const base::Fd& in, const base::Fd& out) {
  const auto argv = pointers(program.argv);
  const auto env = pointers(program.env);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), 2);
  Ended ended;
  rusage usage{};
  pid_t pid = -1;
  const auto start = std::chrono::steady_clock::now();
  const int failure = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), env.data());
  if (failure == 0) {
    while (::wait4(pid, &ended.status, 0, &usage) < 0 && errno == EINTR) {
    }
  }
  const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - start;
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw base::SystemError("run " + program.argv[0], failure);
  ended.cost = {wall.count(), milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime),
                usage.ru_minflt + usage.ru_majflt, usage.ru_nvcsw + usage.ru_nivcsw};
  return ended;
}

base::Fd with_content(const std::string& input) {
  if (input.empty()) return base::open_file("/dev/null", O_RDONLY);
  base::Fd file = memory_file("input");
  base::write_all(file.get(), input, "a memory file");
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

}  // namespace

Cost run_measured(const Program& program, const std::string& input) {
  const base::Fd out = memory_file("output");
  const Ended ended = run(program, with_content(input), out);
  if (ended.status == 0) return ended.cost;
  std::string text;
  for (const auto& word : program.argv) text += word + " ";
  throw std::runtime_error(text + ": wait status " + std::to_string(ended.status) + ": " + text_of(out));
}

bool succeeds(const Program& program, const std::string& input) {
  return run(program, with_content(input), memory_file("output")).status == 0;
}

Program floor_command(std::vector<std::string> words) {
  words.insert(words.begin(), test::built_directory() + "/../bench/floor");
  return {std::move(words), {}};
}

long peak_memory(const Program& program) {
  Program measured = floor_command({"peak"});
  measured.argv.insert(measured.argv.end(), program.argv.begin(), program.argv.end());
  measured.env = program.env;
  const base::Fd out = memory_file("output");
  const Ended ended = run(measured, with_content(""), out);
  if (ended.status != 0) throw std::runtime_error(program.argv[0] + " failed: " + text_of(out));
  return std::stol(text_of(out));
}

long count_system_calls(const Program& program) {
  const std::string strace = test::system_program("strace");
  if (strace.empty()) throw std::runtime_error("strace is not installed");
  const base::Fd summary = memory_file("summary");
  Program traced = program;
  const std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(summary.get());
  traced.argv.insert(traced.argv.begin(), {strace, "-f", "-c", "-U", "calls,name", "-o", path});
  run_measured(traced);
  // The last line is "   250 total".
  std::istringstream lines(text_of(summary));
  std::string line;
  long total = 0;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    long calls = 0;
    std::string name;
    if (words >> calls >> name && name == "total") total = calls;
  }
  return total;
}

}  // namespace berth::bench
